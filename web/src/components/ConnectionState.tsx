import type { Connection } from "../api/stream";
import { formatAge } from "../lib/format";
import { useClock } from "./Clock";
import styles from "./ConnectionState.module.css";

/** Whether this page hears its server. What the server hears is said elsewhere: Notices, and "agent silent" on rows. */
export function ConnectionState({ connection }: { connection: Connection }) {
  return (
    <p className={styles.state} data-kind={connection.kind}>
      <span className={styles.dot} />
      {connection.kind === "connecting" && "Connecting"}
      {connection.kind === "live" && "Live"}
      {connection.kind === "lost" && (
        <span>
          Reconnecting for <LostFor sinceMs={connection.sinceMs} />
        </span>
      )}
    </p>
  );
}

function LostFor({ sinceMs }: { sinceMs: number }) {
  const { nowMs } = useClock();
  return <span className={styles.age}>{formatAge((nowMs - sinceMs) / 1000)}</span>;
}
