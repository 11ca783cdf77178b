import { useId, type ReactNode } from "react";
import styles from "./Section.module.css";

export function Section({ title, note, side, children }: { title: string; note?: string; side?: ReactNode; children: ReactNode }) {
  const titleId = useId();
  return (
    <section className={styles.section} aria-labelledby={titleId}>
      <div className={styles.head}>
        <h2 className={styles.title} id={titleId}>
          {title}
        </h2>
        {note !== undefined && note !== "" && <span className={styles.note}>{note}</span>}
        {side !== undefined && <div className={styles.side}>{side}</div>}
      </div>
      {children}
    </section>
  );
}
