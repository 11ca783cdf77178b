import { useEffect, useRef, useState } from "react";
import { connectionChange, phaseChanges, podChanges, summarise } from "./announce";
import type { Cluster } from "../model/cluster";
import styles from "./Announcer.module.css";

/** Long enough that a screen reader is not interrupted by every change of a busy cluster. */
const PAUSE_MS = 3_000;

/** Tells screen readers which pods became ready and which pulls moved on; what was there at first is not news. */
export function Announcer({ cluster }: { cluster: Cluster }) {
  const [announcement, setAnnouncement] = useState("");
  const latest = useRef(cluster);

  useEffect(() => {
    latest.current = cluster;
  }, [cluster]);

  useEffect(() => {
    let told = latest.current;
    const timer = setInterval(() => {
      const now = latest.current;
      const news = connectionChange(told.connection.kind, now.connection.kind);
      if (told.loaded) news.push(...podChanges(told.pods, now.pods), ...phaseChanges(told.rows, now.rows));
      told = now;
      if (news.length > 0) setAnnouncement(summarise(news));
    }, PAUSE_MS);
    return () => clearInterval(timer);
  }, []);

  return (
    <p className={styles.unseen} role="status" aria-live="polite">
      {announcement}
    </p>
  );
}
