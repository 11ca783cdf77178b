import { memo } from "react";
import type { Pull } from "../../model/types";
import type { Row } from "../../model/cluster";
import { formatBytes, formatClock } from "../../model/format";
import { pullLabel } from "../../model/image";
import { durationsOf } from "./durations";
import { toggled } from "../../model/place";
import { reasonWords } from "../../model/words";
import { Durations } from "./Durations";
import { ImageName } from "../shared/ImageName";
import { usePlace } from "../../data/Place";
import { PullDetails } from "../shared/PullDetails";
import { PhaseWord } from "../../ui/StatusWord";
import styles from "../../ui/Table.module.css";
import { Toggle } from "../../ui/Toggle";

export const EndedRow = memo(function EndedRow({ row, open, longestMs }: { row: Row; open: boolean; longestMs: number }) {
  const { pull } = row;
  const { place, change, jump } = usePlace();
  return (
    <div className={styles.item}>
      <div className={`${styles.row ?? ""} ${styles.ended ?? ""}`}>
        <div className={styles.toggle}>
          <Toggle open={open} label={`Details of ${pullLabel(pull)}`} onToggle={() => change({ open: toggled(place.open, pull.id) })} />
        </div>
        <div className={styles.status}>
          <PhaseWord phase={pull.phase} />
        </div>
        <ImageName pull={pull} />
        <div className={styles.node}>
          <button type="button" title={`What node ${pull.nodeName} does`} onClick={() => jump("nodes", pull.nodeName)}>
            {pull.nodeName}
          </button>
        </div>
        <div className={`${styles.number ?? ""} ${styles.half ?? ""}`}>{sizeText(pull)}</div>
        <div>
          <Durations durations={durationsOf(row)} longestMs={longestMs} failed={pull.phase !== "completed"} />
          {pull.phase === "failed" && <p className={styles.reason}>{failureText(pull)}</p>}
        </div>
        <div className={`${styles.number ?? ""} ${styles.muted ?? ""}`}>{pull.completedAtMs === null ? "" : formatClock(pull.completedAtMs)}</div>
      </div>
      {open && <PullDetails pull={pull} />}
    </div>
  );
});

function failureText({ failure }: Pull): string {
  if (failure === null) return "No reason was reported.";
  // Where no class fits, only the message itself says anything.
  return failure.reason === "unknown" || failure.reason === "" ? failure.message : `It ${reasonWords(failure.reason)}.`;
}

/** Of a pull that did not complete, how far it came: "3.9 GiB of 5.2 GiB". */
function sizeText(pull: Pull): string {
  if (!pull.totalKnown) return "–";
  if (pull.totalBytes === 0) return pull.cachedBytes > 0 ? "cached" : pull.lazyBytes > 0 ? "lazy" : "0 B";
  if (pull.phase === "completed") return formatBytes(pull.totalBytes);
  return `${formatBytes(pull.downloadedBytes)} of ${formatBytes(pull.totalBytes)}`;
}
