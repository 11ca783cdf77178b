// The figures above the views.
import type { Cluster } from "./cluster";
import { hasEnded } from "./types";

export interface Counts {
  readonly pulling: number;
  readonly pullingNodes: number;
  readonly waitingPods: number;
  readonly failingPods: number;
  readonly bytesPerSec: number;
  /** The first and the last estimate of the waiting pods; null without any. */
  readonly nextReadyAtMs: number | null;
  readonly lastReadyAtMs: number | null;
}

export function countsOf({ rows, pods }: Pick<Cluster, "rows" | "pods">): Counts {
  const nodes = new Set<string>();
  let pulling = 0;
  let bytesPerSec = 0;
  for (const { pull } of rows.values()) {
    if (hasEnded(pull.phase)) continue;
    pulling += 1;
    nodes.add(pull.nodeName);
    // A stale report has no present rate.
    if (!pull.stale) bytesPerSec += pull.bytesPerSec;
  }
  let waitingPods = 0;
  let failingPods = 0;
  let nextReadyAtMs: number | null = null;
  let lastReadyAtMs: number | null = null;
  for (const { state, estimate } of pods.values()) {
    if (state === "failing") failingPods += 1;
    if (state !== "waiting") continue;
    waitingPods += 1;
    if (estimate === null) continue;
    nextReadyAtMs = Math.min(nextReadyAtMs ?? Infinity, estimate.likelyAtMs);
    lastReadyAtMs = Math.max(lastReadyAtMs ?? 0, estimate.likelyAtMs);
  }
  return { pulling, pullingNodes: nodes.size, waitingPods, failingPods, bytesPerSec, nextReadyAtMs, lastReadyAtMs };
}

export function namespacesOf({ rows, pods }: Pick<Cluster, "rows" | "pods">): string[] {
  const found = new Set<string>();
  for (const pod of pods.values()) found.add(pod.namespace);
  for (const { pull } of rows.values()) for (const pod of pull.pods) found.add(pod.namespace);
  return [...found].sort();
}
