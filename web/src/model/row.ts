/*
 * A pull with the history of its reports, and its estimates between two reports. Times are arguments, on the page's
 * steady clock.
 */
import { hasEnded, type Layer, type Pull, type Thresholds } from "./types";

/** The start of each phase; null for a phase that started before the page watched. */
export interface PhaseTimes {
  readonly downloadingAtMs: number | null;
  readonly unpackingAtMs: number | null;
  readonly endedAtMs: number | null;
}

export const NO_PHASE_TIMES: PhaseTimes = { downloadingAtMs: null, unpackingAtMs: null, endedAtMs: null };

export interface Row {
  readonly pull: Pull;
  /** Only of an opened row: the layers of thousands of pulls weigh more than all other data. */
  readonly layers: readonly Layer[];
  readonly phases: PhaseTimes;
  /** The arrival of the report that the numbers come from. */
  readonly reportedAtMs: number;
  /** The bytes that the bar showed when that report arrived: the bar does not fall behind them. */
  readonly floorBytes: number;
  /** The count of bytes before containerd restarted a layer; 0 once the count has passed it. */
  readonly restartedBelowBytes: number;
}

/** Return the row after a report. `first`: the pull comes with the first snapshot, so its phase may have started earlier. */
export function nextRow(before: Row | undefined, pull: Pull, first: boolean, thresholds: Thresholds): Row {
  const { receivedAtMs, downloadedBytes } = pull;
  const phases = phaseTimes(before, pull, first);
  if (before === undefined) return { pull, layers: [], phases, reportedAtMs: receivedAtMs, floorBytes: 0, restartedBelowBytes: 0 };
  const wentBack = downloadedBytes < before.pull.downloadedBytes;
  return {
    pull,
    layers: [],
    phases,
    // The same report again (a snapshot after a reconnect, a new waiting pod) does not restart the estimate.
    reportedAtMs: isSameReport(before.pull, pull) ? before.reportedAtMs : receivedAtMs,
    floorBytes: wentBack ? 0 : estimatedBytes(before, receivedAtMs, thresholds),
    restartedBelowBytes: wentBack ? before.pull.downloadedBytes : downloadedBytes < before.restartedBelowBytes ? before.restartedBelowBytes : 0,
  };
}

function isSameReport(a: Pull, b: Pull): boolean {
  return a.progressedAtMs === b.progressedAtMs && a.downloadedBytes === b.downloadedBytes && a.bytesPerSec === b.bytesPerSec;
}

function phaseTimes(before: Row | undefined, { phase, receivedAtMs }: Pull, first: boolean): PhaseTimes {
  if (before === undefined) return !first && phase === "downloading" ? { ...NO_PHASE_TIMES, downloadingAtMs: receivedAtMs } : NO_PHASE_TIMES;
  if (before.pull.phase === phase) return before.phases;
  return {
    downloadingAtMs: phase === "downloading" ? receivedAtMs : before.phases.downloadingAtMs,
    unpackingAtMs: phase === "unpacking" ? receivedAtMs : before.phases.unpackingAtMs,
    endedAtMs: hasEnded(phase) ? receivedAtMs : null,
  };
}

function extrapolatedSeconds({ pull, reportedAtMs }: Row, nowMs: number, thresholds: Thresholds): number {
  if (pull.stale) return 0;
  return Math.min(Math.max((nowMs - reportedAtMs) / 1000, 0), thresholds.extrapolatedSeconds);
}

/** Return the report moved on by its rate: at least the reported or shown bytes, at most the total. */
export function estimatedBytes(row: Row, nowMs: number, thresholds: Thresholds): number {
  const { phase, totalKnown, totalBytes, downloadedBytes, bytesPerSec } = row.pull;
  if (phase !== "downloading" || !totalKnown) return downloadedBytes;
  const movedOn = downloadedBytes + bytesPerSec * extrapolatedSeconds(row, nowMs, thresholds);
  return Math.max(downloadedBytes, Math.min(totalBytes, Math.max(movedOn, row.floorBytes)));
}

/** Return the bounds of the time left in seconds, counted down since the report; null without an estimate. */
export function estimatedTimeLeft(row: Row, nowMs: number, thresholds: Thresholds): readonly [number, number] | null {
  const { etaSeconds, etaRangeSeconds, stale } = row.pull;
  if (etaSeconds === null || stale) return null;
  const [soonest, latest] = etaRangeSeconds ?? [etaSeconds, etaSeconds];
  const passed = extrapolatedSeconds(row, nowMs, thresholds);
  return [Math.max(0, soonest - passed), Math.max(0, latest - passed)];
}

/** Return for how long a download has been stalled; null while it is not. */
export function stalledSeconds(row: Row, nowMs: number, thresholds: Thresholds): number | null {
  const { phase, stale, bytesPerSec } = row.pull;
  if (phase !== "downloading" || stale || bytesPerSec > 0) return null;
  const seconds = (nowMs - row.reportedAtMs) / 1000;
  return seconds >= thresholds.stalledSeconds ? seconds : null;
}
