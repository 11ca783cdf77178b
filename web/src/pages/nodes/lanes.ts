/*
 * What a node does over time, as pieces of a lane: pulls that ended, pulls that run (and, paler, what is left of them),
 * and the queue behind them, each when its turn is expected. On a node that pulls one image after another they stand end
 * to end; pulls at the same time stand below each other.
 */
import { hasEnded, type Pod } from "../../model/types";
import type { Cluster, Row } from "../../model/cluster";
import { estimatedTimeLeft } from "../../model/estimate";
import { shortImage, shortPull } from "../../model/image";

export type PieceKind = "resolving" | "downloading" | "unpacking" | "pulled" | "failed" | "expected" | "queued";

export interface Piece {
  readonly kind: PieceKind;
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Strip {
  readonly key: string;
  readonly label: string;
  /** "" for what is only queued. */
  readonly pullId: string;
  readonly ended: boolean;
  readonly fromMs: number;
  readonly toMs: number;
  readonly pieces: readonly Piece[];
  /** 0 for the topmost. */
  readonly track: number;
}

export interface Lane {
  readonly strips: readonly Strip[];
  readonly tracks: number;
}

type Unplaced = Omit<Strip, "track" | "fromMs" | "toMs">;

/** `serverOffsetMs`: nodes keep the server's time, not the browser's. */
export function laneOf(rows: readonly Row[], pods: readonly Pod[], nowMs: number, serverOffsetMs: number): Lane {
  const pulled = rows.map((row) => pullStrip(row, nowMs, serverOffsetMs)).filter((strip) => strip !== null);
  const running = pulled.filter((strip) => !strip.ended);
  const endOfRunning = Math.max(nowMs, ...running.flatMap((strip) => strip.pieces.map((piece) => piece.toMs)));
  return placed([...pulled, ...queueStrips(pods, endOfRunning)]);
}

function pullStrip(row: Row, nowMs: number, serverOffsetMs: number): Unplaced | null {
  const { pull, seen } = row;
  if (pull.startedAtMs === null) return null;
  const ended = hasEnded(pull.phase);
  const endMs = ended ? (pull.completedAtMs ?? pull.startedAtMs) + serverOffsetMs : nowMs;
  const startMs = Math.min(pull.startedAtMs + serverOffsetMs, endMs);
  const between = (atMs: number | null) => (atMs === null ? null : Math.min(Math.max(atMs, startMs), endMs));
  const downloadMs = between(seen.downloadingAtMs);
  const unpackMs = between(seen.unpackingAtMs);
  const pieces: Piece[] = [];
  const add = (kind: PieceKind, fromMs: number, toMs: number) => {
    if (toMs > fromMs) pieces.push({ kind, fromMs, toMs });
  };
  const failed = pull.phase === "failed" || pull.phase === "unknown";
  if (downloadMs !== null) add("resolving", startMs, downloadMs);
  const body = ended ? (failed ? "failed" : "pulled") : pull.phase === "resolving" ? "resolving" : "downloading";
  // Of a pull that nobody watched from its beginning the phases are not known, but what it does now is.
  add(downloadMs === null ? body : failed ? "failed" : "downloading", downloadMs ?? startMs, unpackMs ?? endMs);
  if (unpackMs !== null) add(failed ? "failed" : "unpacking", unpackMs, endMs);
  const left = ended ? null : estimatedTimeLeft(row, nowMs);
  if (left !== null) add("expected", nowMs, nowMs + ((left[0] + left[1]) / 2) * 1000);
  return { key: pull.id, label: shortPull(pull), pullId: pull.id, ended, pieces };
}

/** Images that wait for their turn, once each, in the order in which they are due. */
function queueStrips(pods: readonly Pod[], fromMs: number): Unplaced[] {
  const dues = new Map<string, number>();
  for (const { needs } of pods) {
    for (const { image, state, due } of needs) {
      if ((state !== "queued" && state !== "needed") || due === null) continue;
      dues.set(image, Math.min(dues.get(image) ?? Infinity, due.likelyAtMs));
    }
  }
  let beginMs = fromMs;
  return [...dues]
    .sort(([, a], [, b]) => a - b)
    .map(([image, dueAtMs]) => {
      const toMs = Math.max(dueAtMs, beginMs);
      const piece: Piece = { kind: "queued", fromMs: beginMs, toMs };
      beginMs = toMs;
      return { key: `queued ${image}`, label: shortImage(image), pullId: "", ended: false, pieces: [piece] };
    });
}

/** Each into the first track that is free by then. */
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

/** One pull ends and the next begins between two reports: that is no overlap. */
const OVERLAP_MS = 2_000;

export interface Window {
  readonly fromMs: number;
  readonly toMs: number;
}

const SHORTEST_PAST_MS = 2 * 60_000;
const LONGEST_PAST_MS = 10 * 60_000;
const SHORTEST_FUTURE_MS = 60_000;
const LONGEST_FUTURE_MS = 15 * 60_000;
/** The window grows and shrinks in steps, so that it does not creep. */
const STEP_MS = 120_000;

/** Up to ten minutes back, as far as there is something to see, and as far ahead as there is something to expect. */
export function windowOf({ rows, pods, serverOffsetMs }: Pick<Cluster, "rows" | "pods" | "serverOffsetMs">, nowMs: number): Window {
  let earliestMs = nowMs - SHORTEST_PAST_MS;
  let latestMs = nowMs + SHORTEST_FUTURE_MS;
  for (const row of rows.values()) {
    if (row.pull.startedAtMs !== null) earliestMs = Math.min(earliestMs, row.pull.startedAtMs + serverOffsetMs);
    const left = estimatedTimeLeft(row, nowMs);
    if (left !== null && !hasEnded(row.pull.phase)) latestMs = Math.max(latestMs, nowMs + left[1] * 1000);
  }
  for (const { state, due } of pods.values()) if (state === "waiting" && due !== null) latestMs = Math.max(latestMs, due.likelyAtMs);
  const behindMs = Math.min(LONGEST_PAST_MS, Math.ceil((nowMs - earliestMs) / STEP_MS) * STEP_MS);
  const aheadMs = Math.min(LONGEST_FUTURE_MS, Math.ceil((latestMs - nowMs) / STEP_MS) * STEP_MS);
  return { fromMs: nowMs - behindMs, toMs: nowMs + aheadMs };
}

/** From 0 to 100, cut at the window's ends. */
export function percentIn({ fromMs, toMs }: Window, atMs: number): number {
  return Math.min(100, Math.max(0, ((atMs - fromMs) / (toMs - fromMs)) * 100));
}

/** Whole minutes from now that are worth a mark, with a distance that leaves them room. */
export function minutesIn({ fromMs, toMs }: Window, nowMs: number): number[] {
  const minutes = (toMs - fromMs) / 60_000;
  const step = minutes > 15 ? 5 : minutes > 8 ? 2 : 1;
  const first = Math.ceil((fromMs - nowMs) / 60_000 / step);
  const last = Math.floor((toMs - nowMs) / 60_000 / step);
  return Array.from({ length: last - first + 1 }, (_, index) => (first + index) * step);
}
