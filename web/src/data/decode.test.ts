import { describe, expect, it } from "vitest";
import { wireNeed, wirePod, wirePull } from "../testing/pulls";
import { parseChange, parseNodes, parseSnapshot } from "./decode";

const NOW_MS = 1_000_000;
const SERVER_NOW = "2026-11-24T06:00:00.000Z";
const change = (type: string, pull: unknown) => parseChange(JSON.stringify({ type, pull, timestamp: SERVER_NOW }), NOW_MS);
const podChange = (type: string, pod: unknown) => parseChange(JSON.stringify({ type, pod, timestamp: SERVER_NOW }), NOW_MS);

describe("parseSnapshot", () => {
  it("takes every pull it can read and drops the others", () => {
    const message = parseSnapshot(JSON.stringify({ synced: true, pulls: [wirePull(), { id: "" }, null, 7, []] }), 0);
    expect(message).toMatchObject({ kind: "snapshot", synced: true, pulls: [{ id: "0123456789ab" }] });
  });

  it.each(["", "{", "null", "[]", '"x"', "{}", '{"pulls": {}}'])("is nothing for %o", (data) => {
    expect(parseSnapshot(data, 0)).toBeNull();
  });
});

describe("parseChange", () => {
  it.each(["pull.started", "pull.progress", "pull.completed", "pull.failed"])("takes %s as the pull's new state", (type) => {
    expect(change(type, wirePull())).toMatchObject({ kind: "pull", pull: { id: "0123456789ab" } });
  });

  it("takes pull.removed as the end of a row", () => {
    expect(change("pull.removed", wirePull())).toEqual({ kind: "pull-removed", id: "0123456789ab" });
  });

  it("leaves out changes of single layers and types it does not know", () => {
    expect([change("layer.progress", wirePull()), change("news", wirePull())]).toEqual([null, null]);
  });

  it("gives fields of the wrong kind their neutral value", () => {
    const odd = { totalBytes: -1, downloadedBytes: "7", bytesPerSec: null, pods: {}, layers: [null, 3], startedAt: "soon", error: 5 };
    expect(change("pull.progress", wirePull(odd))).toMatchObject({
      pull: { totalBytes: 0, downloadedBytes: 0, bytesPerSec: 0, pods: [], layers: [], startedAtMs: null, failure: null },
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
    expect(message?.kind === "pull" && message.pull.nodeName.length).toBe(501);
  });
});

describe("pods", () => {
  it("are not known when the server says nothing of them, which is not the same as none", () => {
    const pods = (fields: object) => parseSnapshot(JSON.stringify({ pulls: [], ...fields }), 0);
    expect([pods({}), pods({ pods: [] })]).toMatchObject([{ pods: null }, { pods: [] }]);
  });

  it("have times that count from the moment of the estimate, on the page's clock", () => {
    const pod = wirePod({ estimatedAt: "2026-11-24T05:59:50.000Z", etaSeconds: 60, etaRangeSeconds: [40, null] });
    expect(podChange("pod.waiting", pod)).toMatchObject({
      kind: "pod",
      pod: { id: "shop/web-7d9", due: { likelyAtMs: NOW_MS + 50_000, soonestAtMs: NOW_MS + 30_000, latestAtMs: null } },
    });
  });

  it("say what an image waits behind and why it failed", () => {
    const failure = { reason: "not_found", message: "no such tag", advice: "Push it.", tries: 3, retryAt: "2026-11-24T06:00:12.000Z" };
    const need = wireNeed({ state: "failed", behind: [{ image: "pytorch:2.4", pullId: "a" }, 7], failure });
    expect(podChange("pod.waiting", wirePod({ images: [need] }))).toMatchObject({
      pod: { needs: [{ state: "failed", behind: [{ image: "pytorch:2.4", pullId: "a" }], failure: { tries: 3, retryAtMs: NOW_MS + 12_000 } }] },
    });
  });

  it("are gone when their history has run out, and belong to themselves when nothing is said", () => {
    expect(podChange("pod.removed", wirePod())).toEqual({ kind: "pod-removed", id: "shop/web-7d9" });
    expect(podChange("pod.ready", wirePod({ workload: null, state: "odd" }))).toMatchObject({
      pod: { workload: { namespace: "shop", kind: "Pod", name: "web-7d9" }, state: "waiting" },
    });
    expect(podChange("pod.ready", { namespace: "shop" })).toBeNull();
  });
});

describe("parseNodes", () => {
  it("turns the age of a report into a time on the page's clock", () => {
    const nodes = [{ nodeName: "node-1", lastReportSeconds: 9, stale: true, bytesPerSec: 7, trouble: "x" }, { stale: true }, 3];
    expect(parseNodes(JSON.stringify({ nodes }), NOW_MS)).toMatchObject([
      { nodeName: "node-1", reportedAtMs: NOW_MS - 9000, stale: true, bytesPerSec: 7, pulling: 0, trouble: "x" },
    ]);
  });

  it.each(["", "{}", '{"title": "Not Found"}'])("is nothing for %o", (data) => {
    expect(parseNodes(data, 0)).toBeNull();
  });
});
