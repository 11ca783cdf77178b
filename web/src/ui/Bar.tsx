import { percentOf } from "../model/format";
import styles from "./Bar.module.css";

interface BarProps {
  /** What the bar is about, for those who do not see it. */
  readonly label: string;
  /** The numbers in words. */
  readonly valueText: string;
  readonly totalKnown: boolean;
  readonly totalBytes: number;
  readonly downloadedBytes: number;
  readonly unpackedBytes: number;
  /** Where the download probably stands: drawn lighter, because nobody has reported it yet. */
  readonly estimatedBytes: number;
  /** Nothing is known to move: no motion is drawn. */
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
