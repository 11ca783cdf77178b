// Times that move on. Each is a component, so that a tick draws nothing else.
import { useCluster, useEstimateTime, useNow } from "../data/useStore";
import { formatAge, formatClock } from "../model/format";
import { estimateText } from "../model/sentences";
import type { Estimate } from "../model/types";

/** "about 40 s" */
export function Left({ estimate }: { estimate: Estimate | null }) {
  return estimateText(estimate, useEstimateTime()) ?? "no estimate yet";
}

/** "43 s" since then. */
export function Age({ sinceMs }: { sinceMs: number }) {
  return formatAge((useNow() - sinceMs) / 1000);
}

/** "retry in 12 s" */
export function Retry({ atMs }: { atMs: number | null }) {
  const nowMs = useNow();
  if (atMs === null) return null;
  const seconds = Math.ceil((atMs - nowMs) / 1000);
  return seconds > 0 ? `retry in ${formatAge(seconds)}` : "retrying now";
}

/** The time of day on the page's clock. */
export function At({ atMs }: { atMs: number }) {
  return <time dateTime={new Date(atMs).toISOString()}>{formatClock(atMs)}</time>;
}

/** The time of day of a moment on the server's clock. */
export function ServerAt({ atMs }: { atMs: number }) {
  return <At atMs={atMs + useCluster("serverOffsetMs")} />;
}
