/*
 * Two ways for the whole page not to be fresh, kept apart because each asks something else of the reader: it does not hear
 * the server, or the server has not read the cluster yet. The third, a node whose agent is silent, is in Problems.
 */
import type { Cluster } from "../model/cluster";
import { formatAge, formatClock } from "../model/format";
import { Icon } from "../ui/Icon";
import { useClock } from "../data/Live";
import styles from "./Notices.module.css";

/** A server that restarts is back within this time: the header says so, and nothing needs to jump. */
const PATIENCE_MS = 8_000;

export function Notices({ cluster }: { cluster: Cluster }) {
  const { connection, loaded, synced } = cluster;
  return (
    <>
      {connection.kind === "lost" && loaded && <Lost sinceMs={connection.sinceMs} heardAtMs={cluster.heardAtMs ?? connection.sinceMs} />}
      {connection.kind === "live" && loaded && !synced && (
        <p className={styles.notice}>
          <Icon name="clock" />
          <span>
            <strong>The server is still reading the cluster</strong>
            Pulls and pods may be missing until it has.
          </span>
        </p>
      )}
    </>
  );
}

function Lost({ sinceMs, heardAtMs }: { sinceMs: number; heardAtMs: number }) {
  const lostMs = useClock().nowMs - sinceMs;
  if (lostMs < PATIENCE_MS) return null;
  return (
    <p className={styles.notice}>
      <Icon name="alert" />
      <span>
        <strong>No connection to the server for {formatAge(lostMs / 1000)}</strong>
        What is shown is as of {formatClock(heardAtMs)}. It goes on by itself once a server answers.
      </span>
    </p>
  );
}
