import { useEffect, useState } from "react";
import { useStore } from "../data/useStore";
import { connectionChange, phaseChanges, podChanges, summarize } from "./announcements";
import styles from "./Announcer.module.css";

/** A screen reader is not interrupted by every change of a busy cluster. */
const PAUSE_MS = 3_000;

/** Announces changes to screen readers; the first snapshot is no change. */
export function Announcer() {
  const store = useStore();
  const [announcement, setAnnouncement] = useState("");

  useEffect(() => {
    let before = store.state.cluster;
    const timer = setInterval(() => {
      const { cluster } = store.state;
      const changes = connectionChange(before.connection.kind, cluster.connection.kind);
      if (before.loaded) changes.push(...podChanges(before.pods, cluster.pods), ...phaseChanges(before.rows, cluster.rows));
      before = cluster;
      if (changes.length > 0) setAnnouncement(summarize(changes));
    }, PAUSE_MS);
    return () => clearInterval(timer);
  }, [store]);

  return (
    <p className={styles.unseen} role="status" aria-live="polite">
      {announcement}
    </p>
  );
}
