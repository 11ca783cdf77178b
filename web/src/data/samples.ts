// What moved, written down every few seconds: the plots of the last half hour, and the figures in the page's title.
import type { SeenPull } from "./feed";
import { hasEnded, type Pod, type Pull } from "../model/types";

/** Half an hour of a sample every 5 s. */
const LONGEST = 360;

export interface Sample {
  readonly atMs: number;
  readonly bytesPerSec: number;
  /** Only those where something moves. */
  readonly byNode: Readonly<Record<string, number>>;
  readonly byRegistry: Readonly<Record<string, number>>;
  readonly pulling: number;
  readonly waitingPods: number;
}

export class Sampler {
  readonly samples: Sample[] = [];

  take(pulls: Iterable<SeenPull>, pods: Iterable<Pod>, podsKnown: boolean, atMs: number): Sample {
    const byNode: Record<string, number> = {};
    const byRegistry: Record<string, number> = {};
    const waiting = new Set<string>();
    let bytesPerSec = 0;
    let pulling = 0;
    for (const { pull } of pulls) {
      if (hasEnded(pull.phase)) continue;
      pulling += 1;
      if (!podsKnown) for (const pod of pull.pods) waiting.add(`${pod.namespace}/${pod.podName}`);
      // Of a silent agent nobody knows what moves now.
      if (pull.stale || pull.bytesPerSec === 0) continue;
      bytesPerSec += pull.bytesPerSec;
      add(byNode, pull.nodeName, pull.bytesPerSec);
      add(byRegistry, registryOf(pull), pull.bytesPerSec);
    }
    for (const pod of pods) if (pod.state === "waiting" || pod.state === "failing") waiting.add(pod.id);
    const sample = { atMs, bytesPerSec, byNode, byRegistry, pulling, waitingPods: waiting.size };
    this.samples.push(sample);
    if (this.samples.length > LONGEST) this.samples.shift();
    return sample;
  }
}

function add(sums: Record<string, number>, name: string, value: number): void {
  sums[name] = (sums[name] ?? 0) + value;
}

/** The host that an image's name begins with; Docker's own when it names none; "" when the name is not known. */
export function registryOf(pull: Pull): string {
  const name = pull.imageRef === "" ? (pull.imageCandidates[0] ?? pull.pods[0]?.image ?? "") : pull.imageRef;
  if (name === "") return "";
  const slash = name.indexOf("/");
  const first = slash === -1 ? "" : name.slice(0, slash);
  return /[.:]/.test(first) || first === "localhost" ? first : "docker.io";
}
