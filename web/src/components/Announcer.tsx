import { useEffect, useRef, useState } from "react";
import type { Connection } from "../api/stream";
import { connectionChange, phaseChanges, summarise } from "../lib/announce";
import type { Pulls } from "../lib/pulls";
import styles from "./Announcer.module.css";

/** Long enough that a screen reader is not interrupted by every change of a busy cluster. */
const PAUSE_MS = 3_000;

interface Told {
  readonly pulls: Pulls;
  readonly connection: Connection;
}

/** Tells screen readers which pulls started, moved on or ended; what was there at first is not news. */
export function Announcer({ pulls, connection }: Told) {
  const [announcement, setAnnouncement] = useState("");
  const latest = useRef<Told>({ pulls, connection });

  useEffect(() => {
    latest.current = { pulls, connection };
  }, [pulls, connection]);

  useEffect(() => {
    let told = latest.current;
    const timer = setInterval(() => {
      const now = latest.current;
      const news = connectionChange(told.connection.kind, now.connection.kind);
      if (told.pulls.loaded) news.push(...phaseChanges(told.pulls.rows, now.pulls.rows));
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
