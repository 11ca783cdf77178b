import { useCluster, useNow } from "../data/useStore";
import { formatAge, formatClock } from "../model/format";
import { Icon } from "../ui/Icon";
import styles from "./Notices.module.css";

/** A server that restarts is back within this time: the header shows it, and nothing jumps. */
const LOST_NOTICE_MS = 8_000;

/** Two states of the whole page: no connection to the server, or a server that has not read the cluster yet. */
export function Notices() {
  const connection = useCluster("connection");
  const loaded = useCluster("loaded");
  const synced = useCluster("synced");
  if (!loaded) return null;
  if (connection.kind === "lost") return <Lost sinceMs={connection.sinceMs} />;
  if (connection.kind !== "live" || synced) return null;
  return (
    <p className={styles.notice}>
      <Icon name="clock" />
      <span>
        <strong>The server is still reading the cluster</strong>
        Pulls and pods may be missing.
      </span>
    </p>
  );
}

function Lost({ sinceMs }: { sinceMs: number }) {
  const receivedAtMs = useCluster("receivedAtMs") ?? sinceMs;
  const lostMs = useNow() - sinceMs;
  if (lostMs < LOST_NOTICE_MS) return null;
  return (
    <p className={styles.notice}>
      <Icon name="alert" />
      <span>
        <strong>No connection to the server for {formatAge(lostMs / 1000)}</strong>
        Data as of {formatClock(receivedAtMs)}. Reconnects automatically.
      </span>
    </p>
  );
}
