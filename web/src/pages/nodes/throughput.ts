/*
 * The curves of the last half hour: samples since a page of this browser was open, and before that averages of ended
 * pulls, each with its bytes spread evenly over its time.
 */
import type { Rows } from "../../model/cluster";
import type { Row } from "../../model/row";
import { registryOf, type Sample } from "../../model/samples";

const LONGEST_MS = 30 * 60_000;
const SHORTEST_MS = 2 * 60_000;
const STEP_MS = 10_000;

export interface Scope {
  readonly kind: "cluster" | "node" | "registry";
  readonly name: string;
}

/** The arguments of uPlot: Unix seconds, and curves with null for no value. */
export interface Curves {
  readonly atSeconds: number[];
  readonly sampled: (number | null)[];
  readonly averaged: (number | null)[];
}

export function curvesOf(samples: readonly Sample[], rows: Rows, scope: Scope, nowMs: number, serverOffsetMs: number): Curves {
  const firstMs = samples[0]?.atMs ?? nowMs;
  const startMs = startOf(rows.values(), firstMs, nowMs, serverOffsetMs);
  const steps = Math.max(0, Math.floor((firstMs - startMs) / STEP_MS));
  const averaged = averages(rows.values(), scope, startMs, steps, serverOffsetMs);
  const recent = samples.filter((sample) => sample.atMs >= startMs);
  const before = averaged.map((_, step) => (startMs + step * STEP_MS) / 1000);
  return {
    atSeconds: [...before, ...recent.map((sample) => sample.atMs / 1000)],
    // The curves meet at the first sample.
    averaged: [...averaged, ...recent.map((sample, index) => (index === 0 ? valueOf(sample, scope) : null))],
    sampled: [...before.map(() => null), ...recent.map((sample) => valueOf(sample, scope))],
  };
}

/** The start of the earliest pull: before it the rate is unknown, not zero. */
function startOf(rows: Iterable<Row>, firstMs: number, nowMs: number, serverOffsetMs: number): number {
  let earliestMs = Math.min(firstMs, nowMs - SHORTEST_MS);
  for (const { pull } of rows) if (pull.startedAtMs !== null) earliestMs = Math.min(earliestMs, pull.startedAtMs + serverOffsetMs);
  return Math.max(earliestMs, nowMs - LONGEST_MS);
}

function valueOf(sample: Sample, { kind, name }: Scope): number {
  if (kind === "cluster") return sample.bytesPerSec;
  return (kind === "node" ? sample.byNode : sample.byRegistry)[name] ?? 0;
}

function averages(rows: Iterable<Row>, scope: Scope, startMs: number, steps: number, serverOffsetMs: number): number[] {
  const sums = new Array<number>(steps).fill(0);
  for (const { pull } of rows) {
    if (pull.startedAtMs === null || pull.downloadedBytes === 0 || !isIn(scope, pull.nodeName, registryOf(pull))) continue;
    const fromMs = pull.startedAtMs + serverOffsetMs;
    const toMs = (pull.completedAtMs ?? pull.progressedAtMs ?? pull.startedAtMs) + serverOffsetMs;
    const rate = pull.downloadedBytes / Math.max(1, (toMs - fromMs) / 1000);
    const first = Math.max(0, Math.round((fromMs - startMs) / STEP_MS));
    const last = Math.min(steps - 1, Math.round((toMs - startMs) / STEP_MS));
    for (let step = first; step <= last; step += 1) sums[step] = (sums[step] ?? 0) + rate;
  }
  return sums;
}

function isIn({ kind, name }: Scope, nodeName: string, registry: string): boolean {
  return kind === "cluster" || name === (kind === "node" ? nodeName : registry);
}

/** Return the registries, busiest first. */
export function registriesOf(samples: readonly Sample[], rows: Iterable<Row>): string[] {
  const bytes = new Map<string, number>();
  for (const { pull } of rows) {
    const registry = registryOf(pull);
    if (registry !== "") bytes.set(registry, (bytes.get(registry) ?? 0) + pull.downloadedBytes);
  }
  for (const { byRegistry } of samples) for (const name of Object.keys(byRegistry)) if (name !== "" && !bytes.has(name)) bytes.set(name, 0);
  return [...bytes].sort(([, a], [, b]) => b - a).map(([name]) => name);
}

/** Return a node's last rates. */
export function sparkOf(samples: readonly Sample[], nodeName: string, points: number): number[] {
  return samples.slice(-points).map((sample) => sample.byNode[nodeName] ?? 0);
}
