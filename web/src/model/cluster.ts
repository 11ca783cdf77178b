// All rows of the page, and the effect of an update on them. Pure.
import type { Row } from "./row";
import type { Sample } from "./samples";
import { NO_THRESHOLDS, type ClusterNode, type Connection, type Pod, type Thresholds } from "./types";

export type Rows = ReadonlyMap<string, Row>;
export type Pods = ReadonlyMap<string, Pod>;

/** The state of the feed beside rows and samples. */
interface Status {
  readonly connection: Connection;
  /** The arrival of the last message; null before the first. */
  readonly receivedAtMs: number | null;
  /** False until the first snapshot. */
  readonly loaded: boolean;
  /** False while the server has not read the cluster: an empty list means nothing then. */
  readonly synced: boolean;
  /** The page's clock minus the server's. */
  readonly serverOffsetMs: number;
  readonly thresholds: Thresholds;
}

export interface Cluster extends Status {
  readonly rows: Rows;
  readonly pods: Pods;
  /** Null before the first answer. */
  readonly nodes: readonly ClusterNode[] | null;
  readonly samples: readonly Sample[];
}

/** A message of the feed to a page: its status, and the changed rows. */
export interface Update extends Status {
  /** The rows replace all rows of the page. */
  readonly whole: boolean;
  readonly rows: readonly Row[];
  readonly removedRows: readonly string[];
  readonly pods: readonly Pod[];
  readonly removedPods: readonly string[];
  /** Left out while unchanged: thousands of nodes weigh more than all other data. */
  readonly nodes?: readonly ClusterNode[] | null;
  /** New samples; all samples in a whole update. */
  readonly samples: readonly Sample[];
}

export const EMPTY: Cluster = {
  connection: { kind: "connecting" },
  receivedAtMs: null,
  loaded: false,
  synced: false,
  serverOffsetMs: 0,
  thresholds: NO_THRESHOLDS,
  rows: new Map(),
  pods: new Map(),
  nodes: null,
  samples: [],
};

/** Half an hour of a sample every five seconds. */
export const MAX_SAMPLES = 360;

export function applyUpdate(cluster: Cluster, update: Update): Cluster {
  const { whole, rows, removedRows, pods, removedPods, nodes = cluster.nodes, samples, ...status } = update;
  return {
    ...status,
    rows: changed(cluster.rows, whole, rows, removedRows, (row) => row.pull.id),
    pods: changed(cluster.pods, whole, pods, removedPods, (pod) => pod.id),
    nodes,
    samples: whole ? samples : samples.length === 0 ? cluster.samples : [...cluster.samples, ...samples].slice(-MAX_SAMPLES),
  };
}

/** Return the same map if nothing changed, so that nothing is drawn again. */
function changed<T>(before: ReadonlyMap<string, T>, whole: boolean, values: readonly T[], removed: readonly string[], idOf: (value: T) => string): ReadonlyMap<string, T> {
  if (!whole && values.length === 0 && removed.length === 0) return before;
  const after = whole ? new Map<string, T>() : new Map(before);
  for (const value of values) after.set(idOf(value), value);
  for (const id of removed) after.delete(id);
  return after;
}
