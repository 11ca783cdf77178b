import { memo } from "react";
import type { Pull } from "../api/types";
import { formatBytes, formatClock, formatDuration } from "../lib/format";
import { imageLabel } from "../lib/image";
import { ImageName } from "./ImageName";
import styles from "./Rows.module.css";
import { PhaseWord } from "./StatusWord";
import { WaitingPods } from "./WaitingPods";

export const EndedRow = memo(function EndedRow({ pull }: { pull: Pull }) {
  return (
    <li className={styles.item} aria-label={`${imageLabel(pull)} on ${pull.nodeName}`}>
      <div className={styles.ended}>
        <div className={styles.status}>
          <PhaseWord phase={pull.phase} />
        </div>
        <ImageName pull={pull} />
        <div className={styles.outcome}>
          <span className={styles.outcomeText}>{outcomeText(pull)}</span>
          {pull.error !== "" && <p className={styles.error}>{pull.error}</p>}
          {pull.phase === "failed" && pull.error === "" && <p className={styles.muted}>No reason was reported.</p>}
        </div>
        <div className={styles.at}>{pull.completedAtMs === null ? "" : formatClock(pull.completedAtMs)}</div>
        <div className={styles.pods}>{pull.pods.length > 0 && <WaitingPods pods={pull.pods} />}</div>
      </div>
    </li>
  );
});

/** "1.9 GiB in 48 s · 120 MiB cached"; of a pull that did not complete, how far it came: "3.9 GiB of 5.2 GiB after 48 s". */
function outcomeText(pull: Pull): string {
  const parts = [`${sizeText(pull)} ${durationText(pull)}`.trim()];
  if (pull.cachedBytes > 0) parts.push(`${formatBytes(pull.cachedBytes)} cached`);
  if (pull.lazyBytes > 0) parts.push(`${formatBytes(pull.lazyBytes)} fetched when read`);
  return parts.join(" · ");
}

function sizeText(pull: Pull): string {
  if (!pull.totalKnown) return "Ended";
  if (pull.totalBytes === 0) return "Nothing to download,";
  if (pull.phase === "completed") return formatBytes(pull.totalBytes);
  return `${formatBytes(pull.downloadedBytes)} of ${formatBytes(pull.totalBytes)}`;
}

function durationText({ phase, startedAtMs, completedAtMs }: Pull): string {
  if (startedAtMs === null || completedAtMs === null) return "";
  const duration = formatDuration((completedAtMs - startedAtMs) / 1000);
  return phase === "completed" ? `in ${duration}` : `after ${duration}`;
}
