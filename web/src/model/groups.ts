// Pods by workload, the soonest ready first.
import type { Pod, Workload } from "./types";

export interface Group {
  /** "namespace/kind/name" */
  readonly key: string;
  readonly workload: Workload;
  /** Waiting pods by their estimates, then failing pods, then ready pods. */
  readonly pods: readonly Pod[];
  readonly waiting: number;
  readonly failing: number;
  readonly ready: number;
  /** The estimate of the last waiting pod; null if a pod has none. */
  readonly readyAtMs: number | null;
}

export interface Groups {
  readonly waiting: readonly Group[];
  /** No pod is waiting: each is ready or failing. */
  readonly failing: readonly Group[];
  readonly ready: readonly Group[];
}

export function workloadKey({ namespace, kind, name }: Workload): string {
  return `${namespace}/${kind}/${name}`;
}

export function groupsOf(pods: Iterable<Pod>): Groups {
  const byKey = new Map<string, Pod[]>();
  for (const pod of pods) {
    if (pod.state === "gone") continue;
    const key = workloadKey(pod.workload);
    const found = byKey.get(key);
    if (found === undefined) byKey.set(key, [pod]);
    else found.push(pod);
  }
  const groups = [...byKey].map(([key, members]) => groupOf(key, members)).filter((group) => group !== null);
  return {
    waiting: groups.filter((group) => group.waiting > 0).sort(bySoonest),
    failing: groups.filter((group) => group.waiting === 0 && group.failing > 0).sort(byName),
    ready: groups.filter((group) => group.waiting + group.failing === 0).sort(byLatestEnd),
  };
}

function groupOf(key: string, members: Pod[]): Group | null {
  const [first] = members;
  if (first === undefined) return null;
  const pods = members.sort(comparePods);
  const count = (state: Pod["state"]) => pods.filter((pod) => pod.state === state).length;
  const estimates = pods.filter((pod) => pod.state === "waiting").map((pod) => pod.estimate?.likelyAtMs ?? Infinity);
  const last = estimates.length === 0 ? Infinity : Math.max(...estimates);
  return {
    key,
    workload: first.workload,
    pods,
    waiting: count("waiting"),
    failing: count("failing"),
    ready: count("ready"),
    readyAtMs: Number.isFinite(last) ? last : null,
  };
}

const RANKS: Readonly<Record<Pod["state"], number>> = { waiting: 0, failing: 1, ready: 2, gone: 3 };

function comparePods(a: Pod, b: Pod): number {
  return RANKS[a.state] - RANKS[b.state] || ascending(readyAtMs(a), readyAtMs(b)) || byText(a.id, b.id);
}

function readyAtMs(pod: Pod): number {
  return pod.estimate?.likelyAtMs ?? Infinity;
}

function bySoonest(a: Group, b: Group): number {
  return ascending(a.readyAtMs ?? Infinity, b.readyAtMs ?? Infinity) || byName(a, b);
}

function byName(a: Group, b: Group): number {
  return byText(a.key, b.key);
}

function byLatestEnd(a: Group, b: Group): number {
  const end = (group: Group) => Math.max(0, ...group.pods.map((pod) => pod.endedAtMs ?? 0));
  return end(b) - end(a) || byName(a, b);
}

function ascending(a: number, b: number): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
