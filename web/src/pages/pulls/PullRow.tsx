import { memo } from "react";
import { useCluster, useEstimateTime } from "../../data/useStore";
import { count, formatAge, formatRate, formatTimeLeft } from "../../model/format";
import { pullLabel } from "../../model/image";
import { estimatedTimeLeft, stalledSeconds, type Row } from "../../model/row";
import { PhaseStatus, Stale } from "../../ui/Status";
import styles from "../../ui/Table.module.css";
import { Toggle } from "../../ui/Toggle";
import { ImageName } from "../shared/ImageName";
import { NodeLink } from "../shared/NodeLink";
import { PullBar } from "../shared/PullBar";
import { PullDetails } from "../shared/PullDetails";
import { PodNames } from "./PodNames";

export const PullRow = memo(function PullRow({ row, open }: { row: Row; open: boolean }) {
  const { pull } = row;
  const pods = [...new Set(pull.pods.map((pod) => `${pod.namespace}/${pod.podName}`))];
  return (
    <div className={styles.item} data-stale={pull.stale}>
      <div className={`${styles.row ?? ""} ${styles.pulls ?? ""}`}>
        <div className={styles.toggle}>
          <Toggle id={pull.id} open={open} label={`Layers of ${pullLabel(pull)}`} />
        </div>
        <div className={styles.status}>
          <PhaseStatus phase={pull.phase} />
          <span className={styles.below}>
            {pull.stale ? <Stale /> : pull.layerCount > 0 && `${pull.layersDone} of ${count(pull.layerCount, "layer", "layers")}`}
          </span>
        </div>
        <ImageName pull={pull} />
        <div className={styles.node}>
          <NodeLink nodeName={pull.nodeName} />
        </div>
        <PullBar row={row} />
        <Rate row={row} />
        <div className={styles.pods}>
          <PodNames ids={pods} />
        </div>
      </div>
      {open && <PullDetails row={row} />}
    </div>
  );
});

function Rate({ row }: { row: Row }) {
  const { pull } = row;
  const thresholds = useCluster("thresholds");
  const nowMs = useEstimateTime();
  const left = estimatedTimeLeft(row, nowMs, thresholds);
  const stalled = stalledSeconds(row, nowMs, thresholds);
  return (
    <>
      <div className={`${styles.number ?? ""} ${styles.half ?? ""}`}>
        {pull.phase === "downloading" && !pull.stale ? (
          stalled === null ? (
            formatRate(pull.bytesPerSec)
          ) : (
            <span className={styles.warn} title="Stalled: no data has arrived for this long.">
              stalled {formatAge(stalled)}
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
