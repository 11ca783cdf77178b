/*
 * All rows the page knows, and how a message changes them. Pure: the time of arrival is an argument, in
 * milliseconds of the browser's monotonic clock, so no clock is ever compared with another machine's.
 */
import type { Message, Phase, Pull } from "../api/types";
import { estimatedBytes } from "./estimate";

export interface Row {
  readonly pull: Pull;
  /** When the report arrived on which the numbers stand. */
  readonly heardAtMs: number;
  /** What had been shown as downloaded when it arrived: the bar does not fall behind it. */
  readonly floorBytes: number;
  /** The count of bytes went back: containerd has begun a layer again. Said so until the count is past it. */
  readonly restartedBelowBytes: number;
}

export interface Pulls {
  /** False until the first snapshot. */
  readonly loaded: boolean;
  /** False while the server itself has not yet read the cluster: an empty list then means nothing. */
  readonly synced: boolean;
  readonly rows: ReadonlyMap<string, Row>;
}

export const NO_PULLS: Pulls = { loaded: false, synced: false, rows: new Map() };

export function applyMessages(pulls: Pulls, messages: readonly Message[], nowMs: number): Pulls {
  let { loaded, synced } = pulls;
  let rows = new Map(pulls.rows);
  for (const message of messages) {
    switch (message.kind) {
      case "snapshot":
        loaded = true;
        synced = message.synced;
        rows = new Map(message.pulls.map((pull) => [pull.id, nextRow(rows.get(pull.id), pull, nowMs)]));
        break;
      case "upsert":
        rows.set(message.pull.id, nextRow(rows.get(message.pull.id), message.pull, nowMs));
        break;
      case "removed":
        rows.delete(message.id);
        break;
    }
  }
  return { loaded, synced, rows };
}

function nextRow(before: Row | undefined, pull: Pull, nowMs: number): Row {
  if (before === undefined) {
    return { pull, heardAtMs: nowMs, floorBytes: 0, restartedBelowBytes: 0 };
  }
  const sameReport =
    before.pull.progressedAtMs === pull.progressedAtMs &&
    before.pull.downloadedBytes === pull.downloadedBytes &&
    before.pull.bytesPerSec === pull.bytesPerSec;
  const wentBack = pull.downloadedBytes < before.pull.downloadedBytes;
  return {
    pull,
    // The same report again (a snapshot after a reconnect, a pod that came to wait) does not restart the estimate.
    heardAtMs: sameReport ? before.heardAtMs : nowMs,
    floorBytes: wentBack ? 0 : estimatedBytes(before, nowMs),
    restartedBelowBytes: wentBack
      ? before.pull.downloadedBytes
      : pull.downloadedBytes < before.restartedBelowBytes
        ? before.restartedBelowBytes
        : 0,
  };
}

export function hasEnded(phase: Phase): boolean {
  return phase === "completed" || phase === "failed" || phase === "unknown";
}

/** Oldest first, so that a row keeps its place for as long as it runs. */
export function runningRows(rows: Iterable<Row>): Row[] {
  return [...rows]
    .filter((row) => !hasEnded(row.pull.phase))
    .sort((a, b) => (a.pull.startedAtMs ?? 0) - (b.pull.startedAtMs ?? 0) || byId(a, b));
}

/** Newest first. */
export function endedRows(rows: Iterable<Row>): Row[] {
  return [...rows]
    .filter((row) => hasEnded(row.pull.phase))
    .sort((a, b) => (b.pull.completedAtMs ?? 0) - (a.pull.completedAtMs ?? 0) || byId(a, b));
}

function byId(a: Row, b: Row): number {
  return a.pull.id < b.pull.id ? -1 : 1;
}

export interface Counts {
  readonly pulling: number;
  readonly waitingPods: number;
  readonly failed: number;
  readonly bytesPerSec: number;
}

export function countPulls(rows: Iterable<Row>): Counts {
  let pulling = 0;
  let failed = 0;
  let bytesPerSec = 0;
  const pods = new Set<string>();
  for (const { pull } of rows) {
    if (pull.phase === "failed") failed += 1;
    if (hasEnded(pull.phase)) continue;
    pulling += 1;
    // Of a silent agent nobody knows what moves now.
    if (!pull.stale) bytesPerSec += pull.bytesPerSec;
    for (const pod of pull.pods) pods.add(`${pod.namespace}/${pod.podName}`);
  }
  return { pulling, waitingPods: pods.size, failed, bytesPerSec };
}
