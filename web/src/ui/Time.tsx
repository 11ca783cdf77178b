// Times that go on by themselves, each a component of its own, so that a tick draws nothing else.
import type { Due } from "../model/types";
import { formatAge, formatClock } from "../model/format";
import { dueText } from "../model/sentences";
import { useClock } from "../data/Live";

/** "about 40 s" */
export function Left({ due, unknown = "not known" }: { due: Due | null; unknown?: string }) {
  const { estimateAtMs } = useClock();
  return <>{dueText(due, estimateAtMs) ?? unknown}</>;
}

/** "43 s" since then. */
export function Age({ sinceMs }: { sinceMs: number }) {
  const { nowMs } = useClock();
  return <>{formatAge((nowMs - sinceMs) / 1000)}</>;
}

/** "next try in 12 s" */
export function Retry({ atMs }: { atMs: number | null }) {
  const { nowMs } = useClock();
  if (atMs === null) return null;
  const seconds = Math.ceil((atMs - nowMs) / 1000);
  return <>{seconds > 0 ? `next try in ${formatAge(seconds)}` : "next try is due now"}</>;
}

/** The time of day on the page's clock. */
export function At({ atMs }: { atMs: number }) {
  return <time dateTime={new Date(atMs).toISOString()}>{formatClock(atMs)}</time>;
}
