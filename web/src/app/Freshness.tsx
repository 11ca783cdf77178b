import { steadyNowMs } from "../data/clock";
import { formatClock } from "../model/format";
import { useLive } from "../data/Live";
import styles from "./Freshness.module.css";
import { Age } from "../ui/Time";

/*
 * How old the page is. Whether the server is up to date, and whether it hears a node's agent, is said elsewhere (Notices,
 * and on the rows): each asks something else of the reader.
 */
export function Freshness() {
  const { cluster, pausedAtMs } = useLive();
  const { connection, heardAtMs } = cluster;
  const kind = pausedAtMs !== null ? "paused" : connection.kind === "live" && !cluster.synced ? "unsynced" : connection.kind;
  const asOfMs = pausedAtMs ?? (connection.kind === "lost" ? heardAtMs : null);
  return (
    <p className={styles.state} data-kind={kind} title={kind === "live" ? "What changes is shown at once." : undefined}>
      <span className={styles.dot} />
      {kind === "connecting" && "Connecting"}
      {kind === "live" && "Live"}
      {kind === "unsynced" && "Server is starting"}
      {kind === "paused" && "Paused"}
      {connection.kind === "lost" && kind === "lost" && (
        <span>
          Reconnecting <Age sinceMs={connection.sinceMs} />
        </span>
      )}
      {asOfMs !== null && <span className={styles.asOf}>data as of {formatClock(wallClockMs(asOfMs))}</span>}
    </p>
  );
}

/** The steady clock does not follow when somebody sets the machine's clock. */
function wallClockMs(atMs: number): number {
  return atMs + (Date.now() - steadyNowMs());
}
