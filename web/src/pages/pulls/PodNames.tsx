import { useStore } from "../../data/useStore";
import styles from "./PodNames.module.css";

const MAX_PODS = 2;

/** The first pods of a pull as "namespace/name", each with a jump to its row. */
export function PodNames({ ids }: { ids: readonly string[] }) {
  const store = useStore();
  if (ids.length === 0) return <span className={styles.none}>none</span>;
  return (
    <ul className={styles.pods} aria-label="Waiting pods">
      {ids.slice(0, MAX_PODS).map((id) => {
        const slash = id.indexOf("/");
        return (
          <li key={id}>
            <button type="button" onClick={() => store.jump("waiting", id)} title={`Show pod ${id}`}>
              <span className={styles.namespace}>{id.slice(0, slash + 1)}</span>
              {id.slice(slash + 1)}
            </button>
          </li>
        );
      })}
      {ids.length > MAX_PODS && <li className={styles.none}>and {ids.length - MAX_PODS} more</li>}
    </ul>
  );
}
