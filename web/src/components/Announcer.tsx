import { useEffect, useRef, useState } from "react";
import { phaseChanges, summarise } from "../lib/announce";
import type { Pulls } from "../lib/pulls";
import styles from "./Announcer.module.css";

/** Long enough that a screen reader is not interrupted by every change of a busy cluster. */
const PAUSE_MS = 3_000;

/** Tells screen readers which pulls started, moved on or ended; what was there at first is not news. */
export function Announcer({ pulls }: { pulls: Pulls }) {
  const [announcement, setAnnouncement] = useState("");
  const latest = useRef(pulls);

  useEffect(() => {
    latest.current = pulls;
  }, [pulls]);

  useEffect(() => {
    let told = latest.current;
    const timer = setInterval(() => {
      const now = latest.current;
      const news = told.loaded ? phaseChanges(told.rows, now.rows) : [];
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
