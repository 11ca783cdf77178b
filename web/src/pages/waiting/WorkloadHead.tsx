import { memo } from "react";
import { useEstimateTime, useStore } from "../../data/useStore";
import { count, formatTimeLeft } from "../../model/format";
import type { Group } from "../../model/groups";
import { workloadCommands } from "../../model/kubectl";
import { Commands } from "../../ui/Commands";
import { Icon } from "../../ui/Icon";
import { Toggle } from "../../ui/Toggle";
import styles from "./WorkloadHead.module.css";

/** A workload: how many of its pods are ready, and the estimate of the last waiting one. */
export const WorkloadHead = memo(function WorkloadHead({ group, shown, open }: { group: Group; shown: number; open: boolean }) {
  const store = useStore();
  const { kind, namespace, name } = group.workload;
  const hidden = group.pods.length - shown;
  return (
    <>
      <div className={styles.head}>
        <Toggle id={group.key} open={open} label={`All pods of ${kind} ${namespace}/${name}`} />
        <h3 className={styles.name}>
          <span className={styles.kind}>{kind}</span>
          <span className={styles.title}>{name}</span>
          <span className={styles.namespace}>{namespace}</span>
        </h3>
        <p className={styles.counts}>
          <Pips group={group} />
          <span>{countsText(group)}</span>
          {hidden > 0 && <span className={styles.muted}>{count(hidden, "pod", "pods")} not shown</span>}
        </p>
        <p className={styles.estimate}>{group.waiting > 0 && <GroupEstimate group={group} />}</p>
        <button type="button" className={styles.matrix} onClick={() => store.jump("rollout", "", { open: [], workload: group.key })}>
          <Icon name="grid" /> <span>By node</span>
        </button>
      </div>
      {open && (
        <div className={styles.details}>
          <Commands commands={workloadCommands(group.workload)} />
        </div>
      )}
    </>
  );
});

function countsText({ failing, ready, pods }: Group): string {
  if (ready === pods.length) return `all ${ready} ready`;
  return `${ready} of ${pods.length} ready${failing > 0 ? `, ${failing} cannot start` : ""}`;
}

function GroupEstimate({ group }: { group: Group }) {
  const nowMs = useEstimateTime();
  if (group.readyAtMs === null) return <span className={styles.muted}>no estimate yet</span>;
  return (
    <>
      <span className={styles.muted}>{group.waiting > 1 ? "all in" : "in"}</span> {formatTimeLeft(Math.max(0, (group.readyAtMs - nowMs) / 1000))}
    </>
  );
}

const MAX_PIPS = 40;

/** A mark for each pod. */
function Pips({ group }: { group: Group }) {
  if (group.pods.length > MAX_PIPS) return null;
  return (
    <span className={styles.pips} aria-hidden="true">
      {group.pods.toReversed().map((pod) => (
        <span key={pod.id} data-state={pod.state} />
      ))}
    </span>
  );
}
