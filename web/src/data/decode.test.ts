import { describe, expect, it } from "vitest";
import { THRESHOLDS, wireImage, wirePod, wirePull } from "../testing/builders";
import { decodeChange, decodeLayers, decodeNodes, decodeSnapshot, decodeThresholds } from "./decode";

const NOW_MS = 1_000_000;
const SERVER_NOW = "2026-11-24T06:00:00.000Z";
const change = (type: string, pull: unknown) => decodeChange(JSON.stringify({ type, pull, timestamp: SERVER_NOW }), NOW_MS);
const podChange = (type: string, pod: unknown) => decodeChange(JSON.stringify({ type, pod, timestamp: SERVER_NOW }), NOW_MS);

describe("decodeSnapshot", () => {
  it("keeps valid pulls and drops the others", () => {
    const message = decodeSnapshot(JSON.stringify({ synced: true, pulls: [wirePull(), { id: "" }, null, 7, []] }), 0);
    expect(message).toMatchObject({ synced: true, pulls: [{ pull: { id: "0123456789ab" } }], pods: [] });
  });

  it.each(["", "{", "null", "[]", '"x"', "{}", '{"pulls": {}}'])("is null for %o", (data) => {
    expect(decodeSnapshot(data, 0)).toBeNull();
  });
});

describe("decodeChange", () => {
  it.each(["pull.started", "pull.progress", "pull.completed", "pull.failed"])("takes %s as the pull's new state", (type) => {
    expect(change(type, wirePull())).toMatchObject({ kind: "pull", pull: { id: "0123456789ab" } });
  });

  it("takes pull.removed as the end of a row", () => {
    expect(change("pull.removed", wirePull())).toEqual({ kind: "pull-removed", id: "0123456789ab" });
  });

  it("ignores changes of single layers and unknown types", () => {
    expect([change("layer.progress", wirePull()), change("news", wirePull())]).toEqual([null, null]);
  });

  it("replaces fields of the wrong kind with neutral values", () => {
    const odd = { totalBytes: -1, downloadedBytes: "7", bytesPerSec: null, pods: {}, layers: [null, 3], startedAt: "soon", error: 5 };
    expect(change("pull.progress", wirePull(odd))).toMatchObject({
      pull: { totalBytes: 0, downloadedBytes: 0, bytesPerSec: 0, pods: [], startedAtMs: null, failure: null },
    });
  });

  it("takes from an unknown phase only whether the pull has ended", () => {
    expect(change("pull.progress", wirePull({ phase: "verifying" }))).toMatchObject({ pull: { phase: "resolving" } });
    expect(change("pull.failed", wirePull({ phase: "evicted", completedAt: "2026-11-23T15:04:05Z" }))).toMatchObject({
      pull: { phase: "unknown" },
    });
  });

  it("makes characters visible that reverse, hide or end a line", () => {
    const message = change("pull.progress", wirePull({ nodeName: "a\u202eb\u200bc\u001b[31m\nd" }));
    expect(message).toMatchObject({ pull: { nodeName: "a\\u{202e}b\\u{200b}c\\u{1b}[31m d" } });
  });

  it("cuts text longer than any name", () => {
    const message = change("pull.progress", wirePull({ nodeName: "n".repeat(100_000) }));
    expect(message?.kind === "pull" && message.pull.nodeName.length).toBe(501);
  });
});

describe("pods", () => {
  it("have estimates that count from their own time, on the page's clock", () => {
    const pod = wirePod({ estimatedAt: "2026-11-24T05:59:50.000Z", etaSeconds: 60, etaRangeSeconds: [40, null] });
    expect(podChange("pod.waiting", pod)).toMatchObject({
      kind: "pod",
      pod: { id: "shop/web-7d9", estimate: { likelyAtMs: NOW_MS + 50_000, soonestAtMs: NOW_MS + 30_000, latestAtMs: null } },
    });
  });

  it("have the queue before an image, and the reason of its failure", () => {
    const failure = { reason: "not_found", message: "no such tag", advice: "Push it.", tries: 3, retryAt: "2026-11-24T06:00:12.000Z" };
    const image = wireImage({ state: "failed", behind: [{ image: "pytorch:2.4", pullId: "a" }, 7], failure });
    expect(podChange("pod.waiting", wirePod({ images: [image] }))).toMatchObject({
      pod: { images: [{ state: "failed", behind: [{ image: "pytorch:2.4", pullId: "a" }], failure: { tries: 3, retryAtMs: NOW_MS + 12_000 } }] },
    });
  });

  it("are removed after their history, and are their own workload without another", () => {
    expect(podChange("pod.removed", wirePod())).toEqual({ kind: "pod-removed", id: "shop/web-7d9" });
    expect(podChange("pod.ready", wirePod({ workload: null, state: "odd" }))).toMatchObject({
      pod: { workload: { namespace: "shop", kind: "Pod", name: "web-7d9" }, state: "waiting" },
    });
    expect(podChange("pod.ready", { namespace: "shop" })).toBeNull();
  });
});

describe("decodeNodes", () => {
  it("turns the age of a report into a time on the page's clock", () => {
    const nodes = [{ nodeName: "node-1", lastReportSeconds: 9, stale: true, bytesPerSec: 7, trouble: "x" }, { stale: true }, 3];
    expect(decodeNodes(JSON.stringify({ nodes }), NOW_MS)).toMatchObject([
      { nodeName: "node-1", reportedAtMs: NOW_MS - 9000, stale: true, bytesPerSec: 7, pulling: 0, agentError: "x" },
    ]);
  });

  it.each(["", "{}", '{"title": "Not Found"}'])("is null for %o", (data) => {
    expect(decodeNodes(data, 0)).toBeNull();
  });
});

describe("layers and thresholds", () => {
  it("are checked too", () => {
    const layer = { digest: "sha256:a\u200b", state: "odd", totalKnown: true, totalBytes: 7, downloadedBytes: "3" };
    expect(decodeLayers([layer, null, 3])).toEqual([{ digest: "sha256:a\\u{200b}", state: "queued", totalKnown: true, totalBytes: 7, downloadedBytes: 0 }]);
    expect([decodeLayers(undefined), decodeLayers({})]).toEqual([[], []]);
    expect(decodeThresholds(JSON.stringify({ schemaVersion: "v1", ...THRESHOLDS }))).toEqual(THRESHOLDS);
    expect([decodeThresholds("{}"), decodeThresholds(JSON.stringify({ ...THRESHOLDS, stalledSeconds: "10" }))]).toEqual([null, null]);
  });
});

it("has the agent's message as the failure where no class is known", () => {
  expect(change("pull.failed", wirePull({ error: "no space" }))).toMatchObject({ pull: { failure: { reason: "unknown", message: "no space" } } });
});
