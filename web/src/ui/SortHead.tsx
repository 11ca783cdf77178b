import { nextSort } from "../model/sorting";
import { Icon } from "./Icon";
import { usePlace } from "../data/Place";
import styles from "./Table.module.css";

export interface Column {
  readonly name: string;
  readonly label: string;
  readonly right?: boolean;
}

/** The columns' names; each sorts by its column, then turns the order round, then gives it up. */
export function SortHead({ columns, className }: { columns: readonly Column[]; className: string | undefined }) {
  const { place, change } = usePlace();
  return (
    <div className={`${styles.heads ?? ""} ${className ?? ""}`} role="group" aria-label="Sort by">
      <span />
      {columns.map(({ name, label, right }) => {
        const sorted = place.sort.replace(/^-/, "") === name;
        const turned = place.sort.startsWith("-");
        return (
          <button
            key={name}
            type="button"
            className={right === true ? styles.right : undefined}
            aria-pressed={sorted}
            title={`Sort by ${label.toLowerCase()}`}
            onClick={() => change({ sort: nextSort(place.sort, name) })}
          >
            {label}
            <span className={styles.arrow} data-sorted={sorted} data-turned={turned}>
              <Icon name="sort" />
            </span>
            {sorted && <span className={styles.unseen}>, sorted{turned ? ", turned round" : ""}</span>}
          </button>
        );
      })}
    </div>
  );
}
