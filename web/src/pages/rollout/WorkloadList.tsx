import type { Group } from "../../model/groups";
import { useStore } from "../../data/useStore";
import styles from "./WorkloadList.module.css";

const MAX_WORKLOADS = 100;

export function WorkloadList({ groups, chosen }: { groups: readonly Group[]; chosen: string }) {
  const store = useStore();
  return (
    <nav className={styles.box} aria-label="Workloads">
      <ul className={styles.list}>
        {groups.slice(0, MAX_WORKLOADS).map(({ key, workload, pods, ready, failing, waiting }) => (
          <li key={key}>
            <button type="button" data-toggle="" aria-current={key === chosen} onClick={() => store.change({ workload: key })}>
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
      {groups.length > MAX_WORKLOADS && <p className={styles.more}>{groups.length - MAX_WORKLOADS} more: use the search.</p>}
    </nav>
  );
}
