/*
 * All rows that the page knows, and how an update changes them. Pure: times are arguments, on the page's steady clock.
 */
import { NOT_SEEN, type SeenPhases, type Update } from "../data/feed";
import type { Sample } from "../data/samples";
import type { Connection } from "../data/stream";
import type { ClusterNode, Pod, Pull } from "./types";
import { podsOfPulls } from "./derived";
import { estimatedBytes } from "./estimate";

export interface Row {
  readonly pull: Pull;
  readonly seen: SeenPhases;
  /** When the report arrived on which the numbers stand. */
  readonly heardAtMs: number;
  /** What had been shown as downloaded when it arrived: the bar does not fall behind it. */
  readonly floorBytes: number;
  /** The count of bytes went back: containerd has begun a layer again. Said so until the count is past it. */
  readonly restartedBelowBytes: number;
}

export type Rows = ReadonlyMap<string, Row>;
export type Pods = ReadonlyMap<string, Pod>;

export interface Cluster {
  readonly connection: Connection;
  /** When the server was last heard. */
  readonly heardAtMs: number | null;
  /** False until the first snapshot. */
  readonly loaded: boolean;
  /** False while the server itself has not yet read the cluster: an empty list then means nothing. */
  readonly synced: boolean;
  readonly serverOffsetMs: number;
  readonly rows: Rows;
  /** False where the pods are only those that the pulls tell of. */
  readonly podsKnown: boolean;
  readonly pods: Pods;
  /** Null while the server has not said. */
  readonly nodes: readonly ClusterNode[] | null;
  readonly samples: readonly Sample[];
}

export const NOTHING: Cluster = {
  connection: { kind: "connecting" },
  heardAtMs: null,
  loaded: false,
  synced: false,
  serverOffsetMs: 0,
  rows: new Map(),
  podsKnown: false,
  pods: new Map(),
  nodes: null,
  samples: [],
};

const MOST_SAMPLES = 360;

export function applyUpdate(cluster: Cluster, update: Update): Cluster {
  const { connection, heardAtMs, loaded, synced, serverOffsetMs, nodes = cluster.nodes } = update;
  const rows = nextRows(cluster.rows, update);
  return {
    connection,
    heardAtMs,
    loaded,
    synced,
    serverOffsetMs,
    rows,
    podsKnown: update.podsKnown,
    pods: update.podsKnown
      ? nextPods(cluster.podsKnown ? cluster.pods : new Map(), update)
      : rows === cluster.rows
        ? cluster.pods
        : podsOfPulls(rows.values()),
    nodes,
    samples: update.whole
      ? [...update.samples]
      : update.samples.length === 0
        ? cluster.samples
        : [...cluster.samples, ...update.samples].slice(-MOST_SAMPLES),
  };
}

function nextRows(before: Rows, update: Update): Rows {
  if (update.whole) return new Map(update.pulls.map(({ pull, seen }) => [pull.id, nextRow(before.get(pull.id), pull, seen)]));
  if (update.pulls.length === 0 && update.removedPulls.length === 0) return before;
  const rows = new Map(before);
  for (const { pull, seen } of update.pulls) rows.set(pull.id, nextRow(before.get(pull.id), pull, seen));
  for (const id of update.removedPulls) rows.delete(id);
  return rows;
}

function nextPods(before: Pods, update: Update): Pods {
  if (update.whole) return new Map(update.pods.map((pod) => [pod.id, pod]));
  if (update.pods.length === 0 && update.removedPods.length === 0) return before;
  const pods = new Map(before);
  for (const pod of update.pods) pods.set(pod.id, pod);
  for (const id of update.removedPods) pods.delete(id);
  return pods;
}

export function nextRow(before: Row | undefined, pull: Pull, seen: SeenPhases = NOT_SEEN): Row {
  if (before === undefined) return { pull, seen, heardAtMs: pull.heardAtMs, floorBytes: 0, restartedBelowBytes: 0 };
  const sameReport =
    before.pull.progressedAtMs === pull.progressedAtMs &&
    before.pull.downloadedBytes === pull.downloadedBytes &&
    before.pull.bytesPerSec === pull.bytesPerSec;
  const wentBack = pull.downloadedBytes < before.pull.downloadedBytes;
  return {
    pull,
    seen,
    // The same report again (a snapshot after a reconnect, a pod that came to wait) does not restart the estimate.
    heardAtMs: sameReport ? before.heardAtMs : pull.heardAtMs,
    floorBytes: wentBack ? 0 : estimatedBytes(before, pull.heardAtMs),
    restartedBelowBytes: wentBack
      ? before.pull.downloadedBytes
      : pull.downloadedBytes < before.restartedBelowBytes
        ? before.restartedBelowBytes
        : 0,
  };
}
