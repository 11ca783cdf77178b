import { memo } from "react";
import { count, formatTimeLeft } from "../../model/format";
import { workloadCommands } from "../../model/kubectl";
import { toggled } from "../../model/place";
import type { Group } from "../../model/groups";
import { Commands } from "../../ui/Commands";
import styles from "./GroupHead.module.css";
import { Icon } from "../../ui/Icon";
import { useClock } from "../../data/Live";
import { usePlace } from "../../data/Place";
import { Toggle } from "../../ui/Toggle";

/** A workload: how many of its pods have their images, and when the last of those that wait is expected. */
export const GroupHead = memo(function GroupHead({ group, shown, open }: { group: Group; shown: number; open: boolean }) {
  const { place, change, jump } = usePlace();
  const { kind, namespace, name } = group.workload;
  const hidden = group.pods.length - shown;
  return (
    <>
      <div className={styles.head}>
        <Toggle open={open} label={`All pods of ${kind} ${namespace}/${name}`} onToggle={() => change({ open: toggled(place.open, group.key) })} />
        <h3 className={styles.name}>
          <span className={styles.kind}>{kind}</span>
          <span className={styles.title}>{name}</span>
          <span className={styles.namespace}>{namespace}</span>
        </h3>
        <p className={styles.counts}>
          {group.pods.length > 1 && <Pips group={group} />}
          <span>{countsText(group)}</span>
          {hidden > 0 && <span className={styles.muted}>{count(hidden, "pod", "pods")} not shown</span>}
        </p>
        <p className={styles.due}>{group.waiting > 0 && <GroupDue group={group} />}</p>
        {group.pods.length > 1 && (
          <button type="button" className={styles.matrix} onClick={() => jump("rollout", "", { open: [], workload: group.key })}>
            <Icon name="grid" /> <span>By node</span>
          </button>
        )}
      </div>
      {open && (
        <div className={styles.details}>
          <Commands commands={workloadCommands(group.workload)} />
        </div>
      )}
    </>
  );
});

function countsText({ waiting, failing, ready, pods }: Group): string {
  if (pods.length === 1) return failing > 0 ? "cannot start" : ready > 0 ? "has its images" : "1 pod";
  const parts = [`${ready} of ${pods.length} ready`];
  if (failing > 0) parts.push(`${failing} cannot start`);
  return waiting + failing === 0 ? `all ${pods.length} have their images` : parts.join(", ");
}

function GroupDue({ group }: { group: Group }) {
  const { estimateAtMs } = useClock();
  if (group.dueAtMs === null) return <span className={styles.muted}>end not known</span>;
  const left = formatTimeLeft(Math.max(0, (group.dueAtMs - estimateAtMs) / 1000));
  return (
    <>
      <span className={styles.muted}>{group.waiting > 1 ? "all in" : "in"}</span> {left}
    </>
  );
}

const MOST_PIPS = 40;

/** A mark for each pod: how many there are and how many are ready is seen before it is read. */
function Pips({ group }: { group: Group }) {
  if (group.pods.length > MOST_PIPS) return null;
  const states = [...group.pods].reverse();
  return (
    <span className={styles.pips} aria-hidden="true">
      {states.map((pod) => (
        <span key={pod.id} data-state={pod.state} />
      ))}
    </span>
  );
}
