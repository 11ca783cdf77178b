import type { Connection } from "../api/stream";
import { formatRate } from "../lib/format";
import type { Counts } from "../lib/pulls";
import { ConnectionState } from "./ConnectionState";
import styles from "./Header.module.css";
import { Logo } from "./Logo";

interface HeaderProps {
  readonly counts: Counts;
  readonly connection: Connection;
  /** False until the first snapshot: then the counts are not zero but unknown. */
  readonly known: boolean;
}

export function Header({ counts, connection, known }: HeaderProps) {
  return (
    <header className={styles.header}>
      <div className={styles.inner}>
        <h1 className={styles.name}>
          <Logo />
          Pulltrace
        </h1>
        <dl className={styles.counts}>
          <Count label="pulling" value={known ? counts.pulling : null} />
          <Count label={counts.waitingPods === 1 ? "pod waiting" : "pods waiting"} value={known ? counts.waitingPods : null} />
          <Count label="failed" value={known ? counts.failed : null} alarming={counts.failed > 0} />
          <Count label="total rate" value={known ? formatRate(counts.bytesPerSec) : null} wide />
        </dl>
        <ConnectionState connection={connection} />
      </div>
    </header>
  );
}

interface CountProps {
  readonly label: string;
  readonly value: number | string | null;
  readonly alarming?: boolean;
  readonly wide?: boolean;
}

function Count({ label, value, alarming, wide }: CountProps) {
  return (
    <div className={styles.count} data-alarming={alarming} data-wide={wide}>
      <dt>{label}</dt>
      <dd>{value ?? "–"}</dd>
    </div>
  );
}
