import { describe, expect, it } from "vitest";
import { wirePull } from "../testing/pulls";
import { parseChange, parseSnapshot } from "./parse";

const change = (type: string, pull: unknown) => parseChange(JSON.stringify({ type, pull }));

describe("parseSnapshot", () => {
  it("takes every pull it can read and drops the others", () => {
    const message = parseSnapshot(JSON.stringify({ synced: true, pulls: [wirePull(), { id: "" }, null, 7, []] }));
    expect(message).toMatchObject({ kind: "snapshot", synced: true, pulls: [{ id: "0123456789ab" }] });
  });

  it.each(["", "{", "null", "[]", '"x"', "{}", '{"pulls": {}}'])("is nothing for %o", (data) => {
    expect(parseSnapshot(data)).toBeNull();
  });
});

describe("parseChange", () => {
  it.each(["pull.started", "pull.progress", "pull.completed", "pull.failed"])("takes %s as the pull's new state", (type) => {
    expect(change(type, wirePull())).toMatchObject({ kind: "upsert", pull: { id: "0123456789ab" } });
  });

  it("takes pull.removed as the end of a row", () => {
    expect(change("pull.removed", wirePull())).toEqual({ kind: "removed", id: "0123456789ab" });
  });

  it("leaves out changes of single layers and types it does not know", () => {
    expect([change("layer.progress", wirePull()), change("news", wirePull())]).toEqual([null, null]);
  });

  it("gives fields of the wrong kind their neutral value", () => {
    const odd = { totalBytes: -1, downloadedBytes: "7", bytesPerSec: null, pods: {}, layers: [null, 3], startedAt: "soon", error: 5 };
    expect(change("pull.progress", wirePull(odd))).toMatchObject({
      pull: { totalBytes: 0, downloadedBytes: 0, bytesPerSec: 0, pods: [], layers: [], startedAtMs: null, error: "" },
    });
  });

  it("knows of a phase it has never heard of whether the pull has ended", () => {
    expect(change("pull.progress", wirePull({ phase: "verifying" }))).toMatchObject({ pull: { phase: "resolving" } });
    expect(change("pull.failed", wirePull({ phase: "evicted", completedAt: "2026-11-23T15:04:05Z" }))).toMatchObject({
      pull: { phase: "unknown" },
    });
  });

  it("makes characters visible that reverse, hide or end a line", () => {
    const message = change("pull.progress", wirePull({ nodeName: "a\u202eb\u200bc\u001b[31m\nd" }));
    expect(message).toMatchObject({ pull: { nodeName: "a\\u{202e}b\\u{200b}c\\u{1b}[31m d" } });
  });

  it("cuts text that no name is as long as", () => {
    const message = change("pull.progress", wirePull({ nodeName: "n".repeat(100_000) }));
    expect(message?.kind === "upsert" && message.pull.nodeName.length).toBe(501);
  });
});
