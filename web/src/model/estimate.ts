/*
 * Where a pull probably stands between two reports: the last report moved on by its rate. An agent reports every
 * second on a quiet cluster and every 15 s on a busy one; past that nothing is assumed to have gone on.
 */
import type { Row } from "./cluster";

const LONGEST_AHEAD_MS = 20_000;

function aheadSeconds(row: Row, nowMs: number): number {
  if (row.pull.stale) return 0;
  return Math.min(Math.max(nowMs - row.heardAtMs, 0), LONGEST_AHEAD_MS) / 1000;
}

/** Never less than what was reported or already shown, never more than there is. */
export function estimatedBytes(row: Row, nowMs: number): number {
  const { phase, totalKnown, totalBytes, downloadedBytes, bytesPerSec } = row.pull;
  if (phase !== "downloading" || !totalKnown) return downloadedBytes;
  const movedOn = downloadedBytes + bytesPerSec * aheadSeconds(row, nowMs);
  return Math.max(downloadedBytes, Math.min(totalBytes, Math.max(movedOn, row.floorBytes)));
}

/** The bounds of the reported time left, counted down since; null when it was not reported or means nothing any more. */
export function estimatedTimeLeft(row: Row, nowMs: number): readonly [number, number] | null {
  const { etaSeconds, etaRangeSeconds, stale } = row.pull;
  if (etaSeconds === null || stale) return null;
  const [soonest, latest] = etaRangeSeconds ?? [etaSeconds, etaSeconds];
  const ahead = aheadSeconds(row, nowMs);
  return [Math.max(0, soonest - ahead), Math.max(0, latest - ahead)];
}

/** A download rests for a moment between layers; longer is worth a word. */
const SHORTEST_STALL_SECONDS = 10;

/** For how long a download has been seen not to move; null while it moves, or nobody can tell. */
export function stalledSeconds(row: Row, nowMs: number): number | null {
  const { phase, stale, bytesPerSec } = row.pull;
  if (phase !== "downloading" || stale || bytesPerSec > 0) return null;
  const seconds = (nowMs - row.heardAtMs) / 1000;
  return seconds >= SHORTEST_STALL_SECONDS ? seconds : null;
}
