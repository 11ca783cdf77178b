// The orders of the tables' rows. A name of a column, with a minus before it to turn it round.
import { hasEnded, type Pull } from "./types";
import type { Row } from "./cluster";
import { percentOf } from "./format";
import { imageLabel } from "./image";
import { workBytes } from "./progress";

type Compare = (a: Pull, b: Pull) => number;

const by = (value: (pull: Pull) => number): Compare => (a, b) => ascending(value(a), value(b));
const byText = (value: (pull: Pull) => string): Compare => (a, b) => value(a).localeCompare(value(b));

function ascending(a: number, b: number): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

const PHASE_RANK = { failed: 0, unknown: 1, resolving: 2, downloading: 3, unpacking: 4, completed: 5 } as const;

const COLUMNS: Readonly<Record<string, Compare>> = {
  started: by((pull) => pull.startedAtMs ?? 0),
  ended: by((pull) => -(pull.completedAtMs ?? 0)),
  image: byText(imageLabel),
  node: byText((pull) => pull.nodeName),
  phase: by((pull) => PHASE_RANK[pull.phase]),
  progress: by((pull) => (pull.totalKnown ? -percentOf(workBytes(pull), pull.totalBytes) : 0)),
  rate: by((pull) => -pull.bytesPerSec),
  left: by((pull) => pull.etaSeconds ?? Infinity),
  size: by((pull) => -pull.totalBytes),
  duration: by((pull) => -durationMs(pull)),
  pods: by((pull) => -pull.pods.length),
};

function durationMs({ startedAtMs, completedAtMs }: Pull): number {
  return startedAtMs === null || completedAtMs === null ? 0 : completedAtMs - startedAtMs;
}

export function sortedRows(rows: readonly Row[], sort: string, otherwise: string): Row[] {
  const column = sort.replace(/^-/, "");
  const compare = COLUMNS[column] ?? COLUMNS[otherwise];
  const turn = sort.startsWith("-") && column in COLUMNS ? -1 : 1;
  return [...rows].sort((a, b) => turn * (compare?.(a.pull, b.pull) ?? 0) || (a.pull.id < b.pull.id ? -1 : 1));
}

/** A second click on a column turns it round, a third goes back to the view's own order. */
export function nextSort(sort: string, column: string): string {
  if (sort === column) return `-${column}`;
  return sort === `-${column}` ? "" : column;
}

export function runningRows(rows: Iterable<Row>): Row[] {
  return [...rows].filter((row) => !hasEnded(row.pull.phase));
}

export function endedRows(rows: Iterable<Row>): Row[] {
  return [...rows].filter((row) => hasEnded(row.pull.phase));
}

/**
 * The order in which rows stand while somebody points at them: as before, without those that are gone, and with new ones
 * at the end.
 */
export function heldOrder(before: readonly string[], wanted: readonly string[]): readonly string[] {
  const there = new Set(wanted);
  const kept = before.filter((id) => there.has(id));
  const known = new Set(kept);
  return [...kept, ...wanted.filter((id) => !known.has(id))];
}
