import { percentOf } from "../model/format";
import styles from "./Bar.module.css";

interface BarProps {
  readonly label: string;
  readonly valueText: string;
  readonly totalKnown: boolean;
  readonly totalBytes: number;
  readonly downloadedBytes: number;
  readonly unpackedBytes: number;
  /** Extrapolated since the last report; drawn lighter. */
  readonly estimatedBytes: number;
  /** The report is stale: no motion. */
  readonly still?: boolean;
}

/** One bar by bytes: unpacked over downloaded over estimated. */
export function Bar(props: BarProps) {
  const { totalKnown, totalBytes, downloadedBytes, unpackedBytes, estimatedBytes } = props;
  return (
    <div
      className={styles.track}
      role="progressbar"
      aria-label={props.label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={totalKnown ? Math.floor(percentOf(downloadedBytes, totalBytes)) : undefined}
      aria-valuetext={props.valueText}
    >
      {totalKnown ? (
        <>
          <Fill name="estimated" percent={percentOf(estimatedBytes, totalBytes)} />
          <Fill name="downloaded" percent={percentOf(downloadedBytes, totalBytes)} />
          <Fill name="unpacked" percent={percentOf(unpackedBytes, totalBytes)} />
        </>
      ) : (
        <div className={props.still === true ? undefined : styles.seeking} />
      )}
    </div>
  );
}

function Fill({ name, percent }: { name: "estimated" | "downloaded" | "unpacked"; percent: number }) {
  return <div className={styles[name]} data-fill={name} style={{ transform: `translateX(${percent - 100}%)` }} />;
}
