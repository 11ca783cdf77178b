// The figures on top of the page.
import { hasEnded } from "./types";
import type { Cluster } from "./cluster";

export interface Counts {
  readonly pulling: number;
  readonly pullingNodes: number;
  readonly waitingPods: number;
  readonly failingPods: number;
  readonly bytesPerSec: number;
  /** When the last of the pods is expected, of those of which anything is known. */
  readonly lastDueAtMs: number | null;
  readonly nextDueAtMs: number | null;
}

export function countsOf({ rows, pods }: Pick<Cluster, "rows" | "pods">): Counts {
  const nodes = new Set<string>();
  let pulling = 0;
  let bytesPerSec = 0;
  for (const { pull } of rows.values()) {
    if (hasEnded(pull.phase)) continue;
    pulling += 1;
    nodes.add(pull.nodeName);
    // Of a silent agent nobody knows what moves now.
    if (!pull.stale) bytesPerSec += pull.bytesPerSec;
  }
  let waitingPods = 0;
  let failingPods = 0;
  let lastDueAtMs: number | null = null;
  let nextDueAtMs: number | null = null;
  for (const { state, due } of pods.values()) {
    if (state === "failing") failingPods += 1;
    if (state !== "waiting") continue;
    waitingPods += 1;
    if (due === null) continue;
    lastDueAtMs = Math.max(lastDueAtMs ?? 0, due.likelyAtMs);
    nextDueAtMs = Math.min(nextDueAtMs ?? Infinity, due.likelyAtMs);
  }
  return { pulling, pullingNodes: nodes.size, waitingPods, failingPods, bytesPerSec, lastDueAtMs, nextDueAtMs };
}

export function namespacesOf({ rows, pods }: Pick<Cluster, "rows" | "pods">): string[] {
  const found = new Set<string>();
  for (const pod of pods.values()) found.add(pod.namespace);
  for (const { pull } of rows.values()) for (const pod of pull.pods) found.add(pod.namespace);
  return [...found].sort();
}
