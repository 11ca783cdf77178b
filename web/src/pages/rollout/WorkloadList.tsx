import type { Group } from "../../model/groups";
import { usePlace } from "../../data/Place";
import styles from "./WorkloadList.module.css";

const MOST = 100;

/** The workloads to choose from, those that still wait first. */
export function WorkloadList({ groups, chosen }: { groups: readonly Group[]; chosen: string }) {
  const { change } = usePlace();
  return (
    <nav className={styles.box} aria-label="Workloads">
      <ul className={styles.list}>
        {groups.slice(0, MOST).map(({ key, workload, pods, ready, failing, waiting }) => (
          <li key={key}>
            <button type="button" data-toggle="" aria-current={key === chosen} onClick={() => change({ workload: key })}>
              <span className={styles.name}>{workload.name}</span>
              <span className={styles.count} data-bad={failing > 0}>
                {ready}/{pods.length}
              </span>
              <span className={styles.below}>
                {workload.kind} · {workload.namespace}
                {failing > 0 ? ` · ${failing} cannot start` : waiting === 0 ? " · ready" : ""}
              </span>
            </button>
          </li>
        ))}
      </ul>
      {groups.length > MOST && <p className={styles.more}>{groups.length - MOST} more: narrow them down with the search.</p>}
    </nav>
  );
}
