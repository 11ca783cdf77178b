// The duration of an ended pull and of its phases.
import type { Row } from "../../model/row";

export interface Duration {
  readonly phase: "resolving" | "downloading" | "unpacking" | "all";
  readonly milliseconds: number;
}

/** The node reports the whole; the page measures the phases, so they are scaled to fill it. */
export function durationsOf({ pull, phases }: Row): Duration[] {
  const { startedAtMs, completedAtMs } = pull;
  if (startedAtMs === null || completedAtMs === null) return [];
  const whole = Math.max(0, completedAtMs - startedAtMs);
  const { downloadingAtMs, unpackingAtMs, endedAtMs } = phases;
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
