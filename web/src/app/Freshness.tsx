import { steadyNowMs } from "../data/clock";
import { useCluster, useSelector } from "../data/useStore";
import { formatClock } from "../model/format";
import { Age } from "../ui/Time";
import styles from "./Freshness.module.css";

/** The age of the page's data. Notices and rows show a server that starts and a stale report. */
export function Freshness() {
  const connection = useCluster("connection");
  const receivedAtMs = useCluster("receivedAtMs");
  const synced = useCluster("synced");
  const pausedAtMs = useSelector((state) => state.pausedAtMs);
  const kind = pausedAtMs !== null ? "paused" : connection.kind === "live" && !synced ? "unsynced" : connection.kind;
  const asOfMs = pausedAtMs ?? (connection.kind === "lost" ? receivedAtMs : null);
  return (
    <p className={styles.state} data-kind={kind} title={kind === "live" ? "Changes appear immediately." : undefined}>
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

/** The steady clock does not follow changes of the machine's clock. */
function wallClockMs(atMs: number): number {
  return atMs + (Date.now() - steadyNowMs());
}
