/*
 * A node over time as strips of a lane: ended pulls, running pulls with their estimates, and the queue behind them. Serial
 * pulls stand end to end, parallel pulls below each other.
 */
import type { Cluster } from "../../model/cluster";
import { shortImage, shortPull } from "../../model/image";
import { estimatedTimeLeft, type Row } from "../../model/row";
import { hasEnded, type Pod, type Thresholds } from "../../model/types";

export type PieceKind = "resolving" | "downloading" | "unpacking" | "pulled" | "failed" | "expected" | "queued";

export interface Piece {
  readonly kind: PieceKind;
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Strip {
  readonly key: string;
  readonly label: string;
  /** "" for a queued image. */
  readonly pullId: string;
  readonly ended: boolean;
  readonly fromMs: number;
  readonly toMs: number;
  readonly pieces: readonly Piece[];
  /** 0 is the topmost. */
  readonly track: number;
}

export interface Lane {
  readonly strips: readonly Strip[];
  readonly tracks: number;
}

type Unplaced = Omit<Strip, "track" | "fromMs" | "toMs">;

export function laneOf(rows: readonly Row[], pods: readonly Pod[], nowMs: number, serverOffsetMs: number, thresholds: Thresholds): Lane {
  const pulled = rows.map((row) => pullStrip(row, nowMs, serverOffsetMs, thresholds)).filter((strip) => strip !== null);
  const running = pulled.filter((strip) => !strip.ended);
  const endOfRunning = Math.max(nowMs, ...running.flatMap((strip) => strip.pieces.map((piece) => piece.toMs)));
  return placed([...pulled, ...queueStrips(pods, endOfRunning)]);
}

function pullStrip(row: Row, nowMs: number, serverOffsetMs: number, thresholds: Thresholds): Unplaced | null {
  const { pull, phases } = row;
  if (pull.startedAtMs === null) return null;
  const ended = hasEnded(pull.phase);
  const endMs = ended ? (pull.completedAtMs ?? pull.startedAtMs) + serverOffsetMs : nowMs;
  const startMs = Math.min(pull.startedAtMs + serverOffsetMs, endMs);
  const between = (atMs: number | null) => (atMs === null ? null : Math.min(Math.max(atMs, startMs), endMs));
  const downloadMs = between(phases.downloadingAtMs);
  const unpackMs = between(phases.unpackingAtMs);
  const pieces: Piece[] = [];
  const add = (kind: PieceKind, fromMs: number, toMs: number) => {
    if (toMs > fromMs) pieces.push({ kind, fromMs, toMs });
  };
  const failed = pull.phase === "failed" || pull.phase === "unknown";
  if (downloadMs !== null) add("resolving", startMs, downloadMs);
  const body = ended ? (failed ? "failed" : "pulled") : pull.phase === "resolving" ? "resolving" : "downloading";
  // Without a watched start only the present phase is known.
  add(downloadMs === null ? body : failed ? "failed" : "downloading", downloadMs ?? startMs, unpackMs ?? endMs);
  if (unpackMs !== null) add(failed ? "failed" : "unpacking", unpackMs, endMs);
  const left = ended ? null : estimatedTimeLeft(row, nowMs, thresholds);
  if (left !== null) add("expected", nowMs, nowMs + ((left[0] + left[1]) / 2) * 1000);
  return { key: pull.id, label: shortPull(pull), pullId: pull.id, ended, pieces };
}

/** Return each queued image once, in the order of the estimates. */
function queueStrips(pods: readonly Pod[], fromMs: number): Unplaced[] {
  const ends = new Map<string, number>();
  for (const { images } of pods) {
    for (const { image, state, estimate } of images) {
      if ((state !== "queued" && state !== "needed") || estimate === null) continue;
      ends.set(image, Math.min(ends.get(image) ?? Infinity, estimate.likelyAtMs));
    }
  }
  let startMs = fromMs;
  return [...ends]
    .sort(([, a], [, b]) => a - b)
    .map(([image, endMs]) => {
      const toMs = Math.max(endMs, startMs);
      const piece: Piece = { kind: "queued", fromMs: startMs, toMs };
      startMs = toMs;
      return { key: `queued ${image}`, label: shortImage(image), pullId: "", ended: false, pieces: [piece] };
    });
}

/** Put each strip into the first free track. */
function placed(strips: readonly Unplaced[]): Lane {
  const ends: number[] = [];
  const found = strips
    .flatMap((strip) => {
      const [first] = strip.pieces;
      const last = strip.pieces.at(-1);
      return first === undefined || last === undefined ? [] : [{ ...strip, fromMs: first.fromMs, toMs: last.toMs }];
    })
    .sort((a, b) => a.fromMs - b.fromMs)
    .map((strip) => {
      const free = ends.findIndex((end) => end <= strip.fromMs + OVERLAP_MS);
      const track = free === -1 ? ends.length : free;
      ends[track] = strip.toMs;
      return { ...strip, track };
    });
  return { strips: found, tracks: Math.max(1, ends.length) };
}

/** One pull may end and the next start between two reports: no overlap. */
const OVERLAP_MS = 2_000;

export interface Window {
  readonly fromMs: number;
  readonly toMs: number;
}

const SHORTEST_PAST_MS = 2 * 60_000;
const LONGEST_PAST_MS = 10 * 60_000;
const SHORTEST_FUTURE_MS = 60_000;
const LONGEST_FUTURE_MS = 15 * 60_000;
/** The window grows and shrinks in steps. */
const STEP_MS = 120_000;

/** Return the time from the earliest pull, at most ten minutes ago, to the last estimate. */
export function windowOf({ rows, pods, serverOffsetMs, thresholds }: Pick<Cluster, "rows" | "pods" | "serverOffsetMs" | "thresholds">, nowMs: number): Window {
  let earliestMs = nowMs - SHORTEST_PAST_MS;
  let latestMs = nowMs + SHORTEST_FUTURE_MS;
  for (const row of rows.values()) {
    if (row.pull.startedAtMs !== null) earliestMs = Math.min(earliestMs, row.pull.startedAtMs + serverOffsetMs);
    const left = estimatedTimeLeft(row, nowMs, thresholds);
    if (left !== null && !hasEnded(row.pull.phase)) latestMs = Math.max(latestMs, nowMs + left[1] * 1000);
  }
  for (const { state, estimate } of pods.values()) if (state === "waiting" && estimate !== null) latestMs = Math.max(latestMs, estimate.likelyAtMs);
  const behindMs = Math.min(LONGEST_PAST_MS, Math.ceil((nowMs - earliestMs) / STEP_MS) * STEP_MS);
  const aheadMs = Math.min(LONGEST_FUTURE_MS, Math.ceil((latestMs - nowMs) / STEP_MS) * STEP_MS);
  return { fromMs: nowMs - behindMs, toMs: nowMs + aheadMs };
}

/** Return 0 to 100, cut at the window's ends. */
export function percentIn({ fromMs, toMs }: Window, atMs: number): number {
  return Math.min(100, Math.max(0, ((atMs - fromMs) / (toMs - fromMs)) * 100));
}

/** Return the whole minutes from now that get a mark. */
export function minutesIn({ fromMs, toMs }: Window, nowMs: number): number[] {
  const minutes = (toMs - fromMs) / 60_000;
  const step = minutes > 15 ? 5 : minutes > 8 ? 2 : 1;
  const first = Math.ceil((fromMs - nowMs) / 60_000 / step);
  const last = Math.floor((toMs - nowMs) / 60_000 / step);
  return Array.from({ length: last - first + 1 }, (_, index) => (first + index) * step);
}
