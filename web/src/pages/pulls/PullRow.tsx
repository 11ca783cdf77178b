import { memo } from "react";
import { estimatedTimeLeft, stalledSeconds } from "../../model/estimate";
import { count, formatAge, formatRate, formatTimeLeft } from "../../model/format";
import { pullLabel } from "../../model/image";
import type { Row } from "../../model/cluster";
import { toggled } from "../../model/place";
import { ImageName } from "../shared/ImageName";
import { useClock } from "../../data/Live";
import { usePlace } from "../../data/Place";
import { PodNames } from "./PodNames";
import { PullBar } from "../shared/PullBar";
import { PullDetails } from "../shared/PullDetails";
import { PhaseWord, Silent } from "../../ui/StatusWord";
import styles from "../../ui/Table.module.css";
import { Toggle } from "../../ui/Toggle";

export const PullRow = memo(function PullRow({ row, open }: { row: Row; open: boolean }) {
  const { pull } = row;
  const { place, change, jump } = usePlace();
  const pods = [...new Set(pull.pods.map((pod) => `${pod.namespace}/${pod.podName}`))];
  return (
    <div className={styles.item} data-stale={pull.stale}>
      <div className={`${styles.row ?? ""} ${styles.pulls ?? ""}`}>
        <div className={styles.toggle}>
          <Toggle open={open} label={`Layers of ${pullLabel(pull)}`} onToggle={() => change({ open: toggled(place.open, pull.id) })} />
        </div>
        <div className={styles.status}>
          <PhaseWord phase={pull.phase} />
          <span className={styles.below}>
            {pull.stale ? <Silent /> : pull.layerCount > 0 && `${pull.layersDone} of ${count(pull.layerCount, "layer", "layers")}`}
          </span>
        </div>
        <ImageName pull={pull} />
        <div className={styles.node}>
          <button type="button" title={`What node ${pull.nodeName} does`} onClick={() => jump("nodes", pull.nodeName)}>
            {pull.nodeName}
          </button>
        </div>
        <PullBar row={row} />
        <Pace row={row} />
        <div className={styles.pods}>
          <PodNames ids={pods} />
        </div>
      </div>
      {open && <PullDetails pull={pull} />}
    </div>
  );
});

function Pace({ row }: { row: Row }) {
  const { pull } = row;
  const { estimateAtMs } = useClock();
  const left = estimatedTimeLeft(row, estimateAtMs);
  const stalled = stalledSeconds(row, estimateAtMs);
  return (
    <>
      <div className={`${styles.number ?? ""} ${styles.half ?? ""}`}>
        {pull.phase === "downloading" && !pull.stale ? (
          stalled === null ? (
            formatRate(pull.bytesPerSec)
          ) : (
            <span className={styles.warn} title="No byte has arrived for so long.">
              no byte for {formatAge(stalled)}
            </span>
          )
        ) : (
          <span className={styles.muted}>–</span>
        )}
      </div>
      <div className={`${styles.number ?? ""} ${styles.half ?? ""} ${styles.wrap ?? ""}`}>
        {left !== null && stalled === null ? formatTimeLeft(...left) : <span className={styles.muted}>–</span>}
      </div>
    </>
  );
}
