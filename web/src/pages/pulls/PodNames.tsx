import { usePlace } from "../../data/Place";
import styles from "./PodNames.module.css";

const FIRST = 2;

/** "namespace/name" of pods, each with a jump to what it waits for; of many only the first. */
export function PodNames({ ids, all }: { ids: readonly string[]; all?: boolean }) {
  const { jump } = usePlace();
  const shown = all === true ? ids : ids.slice(0, FIRST);
  const rest = ids.length - shown.length;
  if (ids.length === 0) return <span className={styles.none}>no pod waits</span>;
  return (
    <ul className={styles.pods} aria-label="Waiting pods">
      {shown.map((id) => {
        const slash = id.indexOf("/");
        return (
          <li key={id}>
            <button type="button" onClick={() => jump("waiting", id)} title={`What ${id} waits for`}>
              <span className={styles.namespace}>{id.slice(0, slash + 1)}</span>
              {id.slice(slash + 1)}
            </button>
          </li>
        );
      })}
      {rest > 0 && <li className={styles.none}>and {rest} more</li>}
    </ul>
  );
}
