import { estimatedBytes } from "../../model/estimate";
import { formatBytes, formatPercent } from "../../model/format";
import { pullLabel } from "../../model/image";
import type { Row } from "../../model/cluster";
import { amountText, besideText, progressText, workBytes } from "../../model/progress";
import { PHASE_WORDS } from "../../model/words";
import { Bar } from "../../ui/Bar";
import { Icon } from "../../ui/Icon";
import { useClock } from "../../data/Live";
import styles from "./PullBar.module.css";

/** How far a pull is: the bar, the percentage of the work that goes on, and the bytes in words. */
export function PullBar({ row, bare }: { row: Row; bare?: boolean }) {
  const { pull } = row;
  const { estimateAtMs } = useClock();
  const percent = pull.totalKnown && pull.totalBytes > 0 ? formatPercent(workBytes(pull), pull.totalBytes) : "";
  return (
    <div className={styles.progress} data-stale={pull.stale}>
      <div className={styles.line}>
        <Bar
          label={`Progress of ${pullLabel(pull)}`}
          valueText={`${PHASE_WORDS[pull.phase].word}, ${progressText(pull)}${pull.stale ? ", agent silent" : ""}`}
          totalKnown={pull.totalKnown}
          totalBytes={pull.totalBytes}
          downloadedBytes={pull.downloadedBytes}
          estimatedBytes={estimatedBytes(row, estimateAtMs)}
          unpackedBytes={pull.unpackedBytes}
          still={pull.stale}
        />
        <span className={styles.percent}>{percent}</span>
      </div>
      {bare !== true && (
        <div className={styles.text}>
          <span>{amountText(pull)}</span>
          {besideText(pull).map((part) => (
            <span key={part} className={styles.beside}>
              <Icon name="cached" /> {part}
            </span>
          ))}
          {row.restartedBelowBytes > 0 && (
            <span className={styles.warn} title="containerd has begun a layer again; these bytes are downloaded twice.">
              <Icon name="restart" /> went back from {formatBytes(row.restartedBelowBytes)}
            </span>
          )}
        </div>
      )}
    </div>
  );
}
