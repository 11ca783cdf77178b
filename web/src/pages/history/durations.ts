// How long an ended pull took, and of that each phase where its beginning was seen.
import type { Row } from "../../model/cluster";

export interface Duration {
  readonly phase: "resolving" | "downloading" | "unpacking" | "all";
  readonly milliseconds: number;
}

/** The whole is told by the node; the phases by when they were seen, so they are scaled to fill it. */
export function durationsOf({ pull, seen }: Row): Duration[] {
  const { startedAtMs, completedAtMs } = pull;
  if (startedAtMs === null || completedAtMs === null) return [];
  const whole = Math.max(0, completedAtMs - startedAtMs);
  const { downloadingAtMs, unpackingAtMs, endedAtMs } = seen;
  if (downloadingAtMs === null || endedAtMs === null) return [{ phase: "all", milliseconds: whole }];
  const downloading = Math.min(whole, (unpackingAtMs ?? endedAtMs) - downloadingAtMs);
  const unpacking = Math.min(whole - downloading, unpackingAtMs === null ? 0 : endedAtMs - unpackingAtMs);
  const parts: Duration[] = [
    { phase: "resolving", milliseconds: whole - downloading - unpacking },
    { phase: "downloading", milliseconds: downloading },
    { phase: "unpacking", milliseconds: unpacking },
  ];
  return parts.filter(({ milliseconds }) => milliseconds > 0);
}
