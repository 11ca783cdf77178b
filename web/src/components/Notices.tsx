/*
 * Three ways for the page not to be fresh, kept apart because each asks something else of the reader: the page does
 * not hear the server (here and in the header), the server has not read the cluster yet (here), the server does not
 * hear a node's agent (on the rows).
 */
import type { Connection } from "../api/stream";
import { formatAge } from "../lib/format";
import type { Pulls } from "../lib/pulls";
import { useClock } from "./Clock";
import { Icon } from "./icons";
import styles from "./Notices.module.css";

/** A server that restarts is back within this time: the header says so, and nothing needs to jump. */
const PATIENCE_MS = 8_000;

export function Notices({ pulls, connection }: { pulls: Pulls; connection: Connection }) {
  return (
    <>
      {connection.kind === "lost" && pulls.loaded && <Lost sinceMs={connection.sinceMs} />}
      {connection.kind === "live" && pulls.loaded && !pulls.synced && (
        <p className={styles.notice}>
          <Icon name="clock" />
          <span>
            <strong>The server is still reading the cluster</strong>
            Pulls may be missing until it has.
          </span>
        </p>
      )}
    </>
  );
}

function Lost({ sinceMs }: { sinceMs: number }) {
  const lostMs = useClock().nowMs - sinceMs;
  if (lostMs < PATIENCE_MS) return null;
  return (
    <p className={styles.notice}>
      <Icon name="alert" />
      <span>
        <strong>No connection to the server for {formatAge(lostMs / 1000)}</strong>
        What is shown is the last that was heard. It goes on by itself once the server answers.
      </span>
    </p>
  );
}
