import { expect, it } from "vitest";
import { aPod, aRow } from "../testing/builders";
import { applyUpdate, EMPTY, MAX_SAMPLES, type Cluster, type Update } from "./cluster";
import { NO_THRESHOLDS } from "./types";

function anUpdate(fields: Partial<Update> = {}): { -readonly [Key in keyof Update]: Update[Key] } {
  return {
    ...{ whole: false, connection: { kind: "live" }, receivedAtMs: 0, loaded: true, synced: true, serverOffsetMs: 0, thresholds: NO_THRESHOLDS },
    ...{ rows: [], removedRows: [], pods: [], removedPods: [], nodes: null, samples: [], ...fields },
  };
}

const ids = (cluster: Cluster) => [...cluster.rows.keys()];
const sample = (atMs: number) => ({ atMs, bytesPerSec: 1, byNode: {}, byRegistry: {}, pulling: 1, waitingPods: 0 });
const first = applyUpdate(EMPTY, anUpdate({ whole: true, rows: [aRow({ id: "a" }), aRow({ id: "b" })], pods: [aPod()] }));

it("replaces everything with a whole update", () => {
  const after = applyUpdate(first, anUpdate({ whole: true, rows: [aRow({ id: "b" }), aRow({ id: "c" })] }));
  expect([ids(after), after.pods.size]).toEqual([["b", "c"], 0]);
});

it("adds, replaces and removes rows", () => {
  const after = applyUpdate(first, anUpdate({ rows: [aRow({ id: "a", phase: "unpacking" }), aRow({ id: "c" })], removedRows: ["b", "x"] }));
  expect([ids(after), after.rows.get("a")?.pull.phase]).toEqual([["a", "c"], "unpacking"]);
  expect(applyUpdate(first, anUpdate({ removedPods: ["shop/web-7d9"] })).pods.size).toBe(0);
});

it("keeps rows without a change, so that they are not drawn again", () => {
  const after = applyUpdate(first, anUpdate({ rows: [aRow({ id: "b" })] }));
  expect([after.rows.get("a") === first.rows.get("a"), after.pods === first.pods]).toEqual([true, true]);
});

it("keeps the nodes while an update has none", () => {
  const update = anUpdate();
  delete update.nodes;
  const nodes = [{ nodeName: "n", reportedAtMs: 0, stale: false, bytesPerSec: 0, pulling: 0, queued: 0, failing: 0, parallel: false, agentError: "" }];
  expect(applyUpdate({ ...first, nodes }, update).nodes).toBe(nodes);
});

it("distinguishes an empty cluster from a server that has not read it yet", () => {
  expect(applyUpdate(EMPTY, anUpdate({ whole: true, synced: false }))).toMatchObject({ loaded: true, synced: false });
});

it("adds samples, at most half an hour of them", () => {
  let cluster = applyUpdate(first, anUpdate({ samples: [sample(1)] }));
  cluster = applyUpdate(cluster, anUpdate({ samples: Array.from({ length: 400 }, (_, index) => sample(index + 2)) }));
  expect([cluster.samples.length, cluster.samples.at(-1)?.atMs]).toEqual([MAX_SAMPLES, 401]);
});
