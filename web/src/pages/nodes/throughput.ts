/*
 * The curves of the last half hour. From the moment a page of this browser was open they are what was sampled; before
 * that they are what the pulls that ended tell: each its bytes, evenly over its time.
 */
import { registryOf, type Sample } from "../../data/samples";
import type { Row } from "../../model/cluster";

const LONGEST_MS = 30 * 60_000;
const SHORTEST_MS = 2 * 60_000;
const STEP_MS = 10_000;

export interface Scope {
  readonly kind: "cluster" | "node" | "registry";
  /** Of the node or the registry. */
  readonly name: string;
}

/** As uPlot takes it: seconds since 1970, then the curves; null where a curve has no value. */
export interface Curves {
  readonly atSeconds: number[];
  readonly sampled: (number | null)[];
  readonly averaged: (number | null)[];
}

export function curvesOf(samples: readonly Sample[], rows: ReadonlyMap<string, Row>, scope: Scope, nowMs: number, serverOffsetMs: number): Curves {
  const firstMs = samples[0]?.atMs ?? nowMs;
  const beginMs = beginOf(rows.values(), firstMs, nowMs, serverOffsetMs);
  const steps = Math.max(0, Math.floor((firstMs - beginMs) / STEP_MS));
  const averaged = averages(rows.values(), scope, beginMs, steps, serverOffsetMs);
  const recent = samples.filter((sample) => sample.atMs >= beginMs);
  const before = averaged.map((_, step) => (beginMs + step * STEP_MS) / 1000);
  return {
    atSeconds: [...before, ...recent.map((sample) => sample.atMs / 1000)],
    // The curves meet at the first sample.
    averaged: [...averaged, ...recent.map((sample, index) => (index === 0 ? valueOf(sample, scope) : null))],
    sampled: [...before.map(() => null), ...recent.map((sample) => valueOf(sample, scope))],
  };
}

/** Not before anything is known of: nobody can say that nothing moved then. */
function beginOf(rows: Iterable<Row>, firstMs: number, nowMs: number, serverOffsetMs: number): number {
  let earliestMs = Math.min(firstMs, nowMs - SHORTEST_MS);
  for (const { pull } of rows) if (pull.startedAtMs !== null) earliestMs = Math.min(earliestMs, pull.startedAtMs + serverOffsetMs);
  return Math.max(earliestMs, nowMs - LONGEST_MS);
}

function valueOf(sample: Sample, { kind, name }: Scope): number {
  if (kind === "cluster") return sample.bytesPerSec;
  return (kind === "node" ? sample.byNode : sample.byRegistry)[name] ?? 0;
}

function averages(rows: Iterable<Row>, scope: Scope, beginMs: number, steps: number, serverOffsetMs: number): number[] {
  const sums = new Array<number>(steps).fill(0);
  for (const { pull } of rows) {
    if (pull.startedAtMs === null || pull.downloadedBytes === 0 || !isIn(scope, pull.nodeName, registryOf(pull))) continue;
    const fromMs = pull.startedAtMs + serverOffsetMs;
    const toMs = (pull.completedAtMs ?? pull.progressedAtMs ?? pull.startedAtMs) + serverOffsetMs;
    const rate = pull.downloadedBytes / Math.max(1, (toMs - fromMs) / 1000);
    const first = Math.max(0, Math.round((fromMs - beginMs) / STEP_MS));
    const last = Math.min(steps - 1, Math.round((toMs - beginMs) / STEP_MS));
    for (let step = first; step <= last; step += 1) sums[step] = (sums[step] ?? 0) + rate;
  }
  return sums;
}

function isIn({ kind, name }: Scope, nodeName: string, registry: string): boolean {
  return kind === "cluster" || name === (kind === "node" ? nodeName : registry);
}

/** The registries that anything came from, busiest first. */
export function registriesOf(samples: readonly Sample[], rows: Iterable<Row>): string[] {
  const bytes = new Map<string, number>();
  for (const { pull } of rows) {
    const registry = registryOf(pull);
    if (registry !== "") bytes.set(registry, (bytes.get(registry) ?? 0) + pull.downloadedBytes);
  }
  for (const { byRegistry } of samples) for (const name of Object.keys(byRegistry)) if (name !== "" && !bytes.has(name)) bytes.set(name, 0);
  return [...bytes].sort(([, a], [, b]) => b - a).map(([name]) => name);
}

/** A node's last minutes for a small curve; empty while nothing was sampled. */
export function sparkOf(samples: readonly Sample[], nodeName: string, points: number): number[] {
  return samples.slice(-points).map((sample) => sample.byNode[nodeName] ?? 0);
}
