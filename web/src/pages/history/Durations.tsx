import { Fragment } from "react";
import type { Duration } from "./durations";
import { formatDuration } from "../../model/format";
import styles from "./Durations.module.css";

/** A bar as wide as its share of the longest duration, and the same in words. */
export function Durations({ durations, longestMs, failed }: { durations: readonly Duration[]; longestMs: number; failed: boolean }) {
  const whole = durations.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  if (durations.length === 0) return null;
  const parts = durations.filter(({ phase }) => phase !== "all");
  return (
    <div className={styles.durations}>
      <div className={styles.track} aria-hidden="true">
        {durations.map(({ phase, milliseconds }) => (
          <span key={phase} data-phase={phase} data-failed={failed} style={{ width: `${(milliseconds / longestMs) * 100}%` }} />
        ))}
      </div>
      <p className={styles.text}>
        <strong>{formatDuration(whole / 1000)}</strong>
        {parts.length > 1 &&
          parts.map(({ phase, milliseconds }) => (
            <Fragment key={phase}>
              {" "}
              <span>
                {phase} {formatDuration(milliseconds / 1000)}
              </span>
            </Fragment>
          ))}
      </p>
    </div>
  );
}
