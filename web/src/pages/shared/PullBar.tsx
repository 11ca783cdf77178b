import { useCluster, useEstimateTime } from "../../data/useStore";
import { formatBytes, formatPercent } from "../../model/format";
import { pullLabel } from "../../model/image";
import { amountText, besideText, progressText, workBytes } from "../../model/progress";
import { estimatedBytes, type Row } from "../../model/row";
import { PHASE_WORDS } from "../../model/words";
import { Bar } from "../../ui/Bar";
import { Icon } from "../../ui/Icon";
import styles from "./PullBar.module.css";

/** The bar of a pull, its percentage, and its bytes in words. */
export function PullBar({ row }: { row: Row }) {
  const { pull } = row;
  const thresholds = useCluster("thresholds");
  const nowMs = useEstimateTime();
  const percent = pull.totalKnown && pull.totalBytes > 0 ? formatPercent(workBytes(pull), pull.totalBytes) : "";
  return (
    <div className={styles.progress} data-stale={pull.stale}>
      <div className={styles.line}>
        <Bar
          label={`Progress of ${pullLabel(pull)}`}
          valueText={`${PHASE_WORDS[pull.phase].word}, ${progressText(pull)}${pull.stale ? ", agent not reporting" : ""}`}
          totalKnown={pull.totalKnown}
          totalBytes={pull.totalBytes}
          downloadedBytes={pull.downloadedBytes}
          estimatedBytes={estimatedBytes(row, nowMs, thresholds)}
          unpackedBytes={pull.unpackedBytes}
          still={pull.stale}
        />
        <span className={styles.percent}>{percent}</span>
      </div>
      <div className={styles.text}>
        <span>{amountText(pull)}</span>
        {besideText(pull).map((part) => (
          <span key={part} className={styles.beside}>
            <Icon name="cached" /> {part}
          </span>
        ))}
        {row.restartedBelowBytes > 0 && (
          <span className={styles.warn} title="containerd restarted a layer; these bytes are downloaded again.">
            <Icon name="restart" /> restarted at {formatBytes(row.restartedBelowBytes)}
          </span>
        )}
      </div>
    </div>
  );
}
