import { useId, type ReactNode } from "react";
import styles from "./Section.module.css";

export function Section({ title, note, children }: { title: string; note: string; children: ReactNode }) {
  const titleId = useId();
  return (
    <section className={styles.section} aria-labelledby={titleId}>
      <h2 className={styles.title}>
        <span id={titleId}>{title}</span>
        {note !== "" && <span className={styles.note}>{note}</span>}
      </h2>
      {children}
    </section>
  );
}
