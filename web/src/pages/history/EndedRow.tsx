import { memo } from "react";
import { formatBytes, formatClock } from "../../model/format";
import { pullLabel } from "../../model/image";
import type { Row } from "../../model/row";
import type { Pull } from "../../model/types";
import { reasonWords } from "../../model/words";
import { PhaseStatus } from "../../ui/Status";
import styles from "../../ui/Table.module.css";
import { Toggle } from "../../ui/Toggle";
import { ImageName } from "../shared/ImageName";
import { NodeLink } from "../shared/NodeLink";
import { PullDetails } from "../shared/PullDetails";
import { Durations } from "./Durations";
import { durationsOf } from "./durations";

export const EndedRow = memo(function EndedRow({ row, open, longestMs }: { row: Row; open: boolean; longestMs: number }) {
  const { pull } = row;
  return (
    <div className={styles.item}>
      <div className={`${styles.row ?? ""} ${styles.ended ?? ""}`}>
        <div className={styles.toggle}>
          <Toggle id={pull.id} open={open} label={`Details of ${pullLabel(pull)}`} />
        </div>
        <div className={styles.status}>
          <PhaseStatus phase={pull.phase} />
        </div>
        <ImageName pull={pull} />
        <div className={styles.node}>
          <NodeLink nodeName={pull.nodeName} />
        </div>
        <div className={`${styles.number ?? ""} ${styles.half ?? ""} ${styles.wrap ?? ""}`}>{sizeText(pull)}</div>
        <div>
          <Durations durations={durationsOf(row)} longestMs={longestMs} failed={pull.phase !== "completed"} />
          {pull.phase === "failed" && <p className={styles.reason}>{failureText(pull)}</p>}
        </div>
        <div className={`${styles.number ?? ""} ${styles.muted ?? ""}`}>{pull.completedAtMs === null ? "" : formatClock(pull.completedAtMs)}</div>
      </div>
      {open && <PullDetails row={row} />}
    </div>
  );
});

function failureText({ failure }: Pull): string {
  if (failure === null) return "No reason reported.";
  // Without a class of failure only the message has content.
  return failure.reason === "unknown" || failure.reason === "" ? failure.message : `It ${reasonWords(failure.reason)}.`;
}

/** Return the size; of a pull that did not complete "3.9 GiB of 5.2 GiB". */
function sizeText(pull: Pull): string {
  if (!pull.totalKnown) return "–";
  if (pull.totalBytes === 0) return pull.cachedBytes > 0 ? "cached" : pull.lazyBytes > 0 ? "lazy" : "0 B";
  if (pull.phase === "completed") return formatBytes(pull.totalBytes);
  return `${formatBytes(pull.downloadedBytes)} of ${formatBytes(pull.totalBytes)}`;
}
