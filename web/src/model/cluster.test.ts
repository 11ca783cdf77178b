import { describe, expect, it } from "vitest";
import { NOT_SEEN, type Update } from "../data/feed";
import { MIB, aPod, aPull } from "../testing/pulls";
import { NOTHING, applyUpdate, nextRow, type Cluster } from "./cluster";
import { estimatedBytes } from "./estimate";

function anUpdate(fields: Partial<Update> = {}): Update {
  return {
    ...{ whole: false, connection: { kind: "live" }, heardAtMs: 0, loaded: true, synced: true, podsKnown: true, serverOffsetMs: 0 },
    ...{ pulls: [], removedPulls: [], pods: [], removedPods: [], nodes: null, samples: [], ...fields },
  };
}

const seen = (fields: Record<string, unknown>, nowMs = 0) => ({ pull: aPull(fields, nowMs), seen: NOT_SEEN });
const ids = (cluster: Cluster) => [...cluster.rows.keys()];
const sample = (atMs: number) => ({ atMs, bytesPerSec: 1, byNode: {}, byRegistry: {}, pulling: 1, waitingPods: 0 });

describe("applyUpdate", () => {
  const first = applyUpdate(NOTHING, anUpdate({ whole: true, pulls: [seen({ id: "a" }), seen({ id: "b" })], pods: [aPod()] }));

  it("replaces everything with a whole update", () => {
    const after = applyUpdate(first, anUpdate({ whole: true, pulls: [seen({ id: "b" }), seen({ id: "c" })] }));
    expect([ids(after), after.pods.size]).toEqual([["b", "c"], 0]);
  });

  it("adds, replaces and removes rows", () => {
    const after = applyUpdate(first, anUpdate({ pulls: [seen({ id: "a", phase: "unpacking" }), seen({ id: "c" })], removedPulls: ["b", "x"] }));
    expect([ids(after), after.rows.get("a")?.pull.phase]).toEqual([["a", "c"], "unpacking"]);
    expect(applyUpdate(first, anUpdate({ removedPods: ["shop/web-7d9"] })).pods.size).toBe(0);
  });

  it("leaves rows that no update named as they are, so that they are not drawn again", () => {
    const after = applyUpdate(first, anUpdate({ pulls: [seen({ id: "b" })] }));
    expect([after.rows.get("a") === first.rows.get("a"), after.pods === first.pods]).toEqual([true, true]);
  });

  it("tells an empty cluster from a server that has not read it yet", () => {
    expect(applyUpdate(NOTHING, anUpdate({ whole: true, synced: false }))).toMatchObject({ loaded: true, synced: false });
  });

  it("makes pods from the pulls where the server says nothing of them", () => {
    const pods = [{ namespace: "ml", podName: "llm-0", container: "llm", image: "nginx:1.27" }];
    const after = applyUpdate(NOTHING, anUpdate({ whole: true, podsKnown: false, pulls: [seen({ pods }, 500)] }));
    expect(after.pods.get("ml/llm-0")).toMatchObject({ state: "waiting", nodeName: "worker-1", due: { likelyAtMs: 60_500 } });
  });

  it("adds samples, and no more than half an hour of them", () => {
    let cluster = applyUpdate(first, anUpdate({ samples: [sample(1)] }));
    cluster = applyUpdate(cluster, anUpdate({ samples: Array.from({ length: 400 }, (_, index) => sample(index + 2)) }));
    expect([cluster.samples.length, cluster.samples.at(-1)?.atMs]).toEqual([360, 401]);
  });
});

describe("the estimate over several reports", () => {
  const at = (nowMs: number, fields: Record<string, unknown> = {}) => aPull(fields, nowMs);

  it("holds where it was when a report says less than was estimated", () => {
    const after = nextRow(nextRow(undefined, at(0)), at(3000, { downloadedBytes: 405 * MIB, bytesPerSec: 0 }));
    expect([estimatedBytes(after, 3000), after.restartedBelowBytes]).toEqual([430 * MIB, 0]);
  });

  it("goes back with the report when bytes were lost, and says so until they are made up for", () => {
    let row = nextRow(nextRow(undefined, at(0)), at(1000, { downloadedBytes: 100 * MIB }));
    expect([estimatedBytes(row, 1000), row.restartedBelowBytes]).toEqual([100 * MIB, 400 * MIB]);
    row = nextRow(row, at(2000, { downloadedBytes: 300 * MIB }));
    expect(row.restartedBelowBytes).toBe(400 * MIB);
    expect(nextRow(row, at(3000, { downloadedBytes: 401 * MIB })).restartedBelowBytes).toBe(0);
  });

  it("does not start anew from the same report", () => {
    expect(nextRow(nextRow(undefined, at(0)), at(5000)).heardAtMs).toBe(0);
  });
});
