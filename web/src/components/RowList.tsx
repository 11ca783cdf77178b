import { useState, type ReactNode } from "react";
import type { Row } from "../lib/pulls";
import rowStyles from "./Rows.module.css";
import styles from "./RowList.module.css";

/** A cluster-wide rollout is thousands of rows: as many are drawn as a person reads, and more when asked for. */
const PAGE = 100;

interface RowListProps {
  readonly label: string;
  readonly rows: readonly Row[];
  readonly render: (row: Row) => ReactNode;
}

export function RowList({ label, rows, render }: RowListProps) {
  const [limit, setLimit] = useState(PAGE);
  const more = Math.min(PAGE, rows.length - limit);
  return (
    <>
      <ul className={rowStyles.list} aria-label={label}>
        {rows.slice(0, limit).map(render)}
      </ul>
      {more > 0 && (
        <button type="button" className={styles.more} onClick={() => setLimit(limit + PAGE)}>
          Show {more} more of {rows.length - limit}
        </button>
      )}
    </>
  );
}
