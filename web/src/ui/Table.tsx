import { useRoute, useStore } from "../data/useStore";
import { nextSort } from "../model/sorting";
import { Icon } from "./Icon";
import styles from "./Table.module.css";

export interface Column {
  readonly name: string;
  readonly label: string;
  readonly right?: boolean;
}

/** The columns' names. A click sorts by the column, the next one reverses the order, the third restores the view's order. */
export function SortHead({ columns, className }: { columns: readonly Column[]; className: string | undefined }) {
  const { sort } = useRoute();
  const store = useStore();
  return (
    <div className={`${styles.heads ?? ""} ${className ?? ""}`} role="group" aria-label="Sort by">
      <span />
      {columns.map(({ name, label, right }) => {
        const sorted = sort.replace(/^-/, "") === name;
        const reversed = sort.startsWith("-");
        return (
          <button
            key={name}
            type="button"
            className={right === true ? styles.right : undefined}
            aria-pressed={sorted}
            title={`Sort by ${label.toLowerCase()}`}
            onClick={() => store.change({ sort: nextSort(sort, name) })}
          >
            {label}
            <span className={styles.arrow} data-sorted={sorted} data-reversed={reversed}>
              <Icon name="sort" />
            </span>
            {sorted && <span className={styles.unseen}>, sorted{reversed ? ", reversed" : ""}</span>}
          </button>
        );
      })}
    </div>
  );
}
