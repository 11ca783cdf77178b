// The orders of the tables' rows: the name of a column, after a minus if reversed.
import { hasEnded, type Pull } from "./types";
import type { Row } from "./row";
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
  const sign = sort.startsWith("-") && column in COLUMNS ? -1 : 1;
  return [...rows].sort((a, b) => sign * (compare?.(a.pull, b.pull) ?? 0) || (a.pull.id < b.pull.id ? -1 : 1));
}

/** Return the order after a click: a second click on a column reverses it, a third restores the view's own order. */
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

/** Return the order of rows under the pointer: as before, without removed rows, and new rows at the end. */
export function heldOrder(before: readonly string[], wanted: readonly string[]): readonly string[] {
  const present = new Set(wanted);
  const kept = before.filter((id) => present.has(id));
  const known = new Set(kept);
  return [...kept, ...wanted.filter((id) => !known.has(id))];
}
