// Rates over time: the source of the plots and of the figure in the page's title.
import type { Row } from "./row";
import { hasEnded, isPending, type Pod, type Pull } from "./types";

export interface Sample {
  readonly atMs: number;
  readonly bytesPerSec: number;
  /** Nodes and registries without a rate are left out. */
  readonly byNode: Readonly<Record<string, number>>;
  readonly byRegistry: Readonly<Record<string, number>>;
  readonly pulling: number;
  readonly waitingPods: number;
}

export function sampleOf(rows: Iterable<Row>, pods: Iterable<Pod>, atMs: number): Sample {
  const byNode: Record<string, number> = {};
  const byRegistry: Record<string, number> = {};
  let bytesPerSec = 0;
  let pulling = 0;
  let waitingPods = 0;
  for (const { pull } of rows) {
    if (hasEnded(pull.phase)) continue;
    pulling += 1;
    if (pull.stale || pull.bytesPerSec === 0) continue;
    bytesPerSec += pull.bytesPerSec;
    add(byNode, pull.nodeName, pull.bytesPerSec);
    add(byRegistry, registryOf(pull), pull.bytesPerSec);
  }
  for (const pod of pods) if (isPending(pod)) waitingPods += 1;
  return { atMs, bytesPerSec, byNode, byRegistry, pulling, waitingPods };
}

function add(sums: Record<string, number>, name: string, value: number): void {
  sums[name] = (sums[name] ?? 0) + value;
}

/** Return the registry's host in an image's name; Docker Hub's if the name has none, "" without a name. */
export function registryOf(pull: Pull): string {
  const name = pull.imageRef === "" ? (pull.imageCandidates[0] ?? pull.pods[0]?.image ?? "") : pull.imageRef;
  if (name === "") return "";
  const slash = name.indexOf("/");
  const first = slash === -1 ? "" : name.slice(0, slash);
  return /[.:]/.test(first) || first === "localhost" ? first : "docker.io";
}
