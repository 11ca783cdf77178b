// Which pods wait, by what they belong to, in the order in which they will be ready.
import type { Pod, Workload } from "./types";

export interface Group {
  /** "namespace/kind/name" */
  readonly key: string;
  readonly workload: Workload;
  /** Those that still wait first, by the time at which they are due; then failing ones; then ready ones. */
  readonly pods: readonly Pod[];
  readonly waiting: number;
  readonly failing: number;
  readonly ready: number;
  /** When the last of those that wait is expected; null when nobody can say. */
  readonly dueAtMs: number | null;
}

export interface Groups {
  readonly waiting: readonly Group[];
  /** Nothing of them moves: every pod that is not ready cannot get an image. */
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
  const dues = pods.filter((pod) => pod.state === "waiting").map((pod) => pod.due?.likelyAtMs ?? Infinity);
  const last = dues.length === 0 ? Infinity : Math.max(...dues);
  return {
    key,
    workload: first.workload,
    pods,
    waiting: count("waiting"),
    failing: count("failing"),
    ready: count("ready"),
    dueAtMs: Number.isFinite(last) ? last : null,
  };
}

const RANKS: Readonly<Record<Pod["state"], number>> = { waiting: 0, failing: 1, ready: 2, gone: 3 };

function comparePods(a: Pod, b: Pod): number {
  return RANKS[a.state] - RANKS[b.state] || ascending(dueOf(a), dueOf(b)) || byText(a.id, b.id);
}

function dueOf(pod: Pod): number {
  return pod.due?.likelyAtMs ?? Infinity;
}

function bySoonest(a: Group, b: Group): number {
  return ascending(a.dueAtMs ?? Infinity, b.dueAtMs ?? Infinity) || byName(a, b);
}

function byName(a: Group, b: Group): number {
  return byText(a.key, b.key);
}

function byLatestEnd(a: Group, b: Group): number {
  const end = (group: Group) => Math.max(0, ...group.pods.map((pod) => pod.endedAtMs ?? 0));
  return end(b) - end(a) || byName(a, b);
}

/** Infinity less infinity is no number. */
function ascending(a: number, b: number): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
