/*
 * Three ways for the page not to be fresh, kept apart because each asks something else of the reader: the page does
 * not hear the server (here and in the header), the server has not read the cluster yet (here), the server does not
 * hear a node's agent (on the rows).
 */
import type { Connection } from "../api/stream";
import type { Pulls } from "../lib/pulls";
import { LostFor } from "./ConnectionState";
import { Icon } from "./icons";
import styles from "./Notices.module.css";

export function Notices({ pulls, connection }: { pulls: Pulls; connection: Connection }) {
  return (
    <>
      {connection.kind === "lost" && pulls.loaded && (
        <p className={styles.notice}>
          <Icon name="alert" />
          <span>
            <strong>No connection to the server for <LostFor sinceMs={connection.sinceMs} /></strong>
            What is shown is the last that was heard; it goes on by itself once the server answers.
          </span>
        </p>
      )}
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
