/* One workload, node by node: which image is where, the slowest node on top. */
import { useMemo } from "react";
import { matchesPod } from "../../model/filter";
import { shortImage } from "../../model/image";
import { matrixOf } from "./matrix";
import { heldOrder } from "../../model/sorting";
import { groupsOf, type Group } from "../../model/groups";
import { workloadCommands } from "../../model/kubectl";
import { Commands } from "../../ui/Commands";
import { EmptyState, whyEmpty } from "../shared/EmptyState";
import { useLive } from "../../data/Live";
import { MatrixLine } from "./MatrixLine";
import { usePlace } from "../../data/Place";
import { Section } from "../../ui/Section";
import { useHeld, useHold } from "../../ui/useHeld";
import { VirtualRows } from "../../ui/VirtualRows";
import { WorkloadList } from "./WorkloadList";
import styles from "./RolloutPage.module.css";

export function RolloutPage() {
  const { cluster } = useLive();
  const { place } = usePlace();
  const pods = useMemo(() => [...cluster.pods.values()].filter((pod) => matchesPod(pod, place)), [cluster.pods, place]);
  const groups = useMemo(() => byInterest(groupsOf(pods)), [pods]);
  const keys = useMemo(() => groups.map((group) => group.key), [groups]);
  const { held, handlers } = useHold();
  const order = useHeld(keys, held, heldOrder);
  const byKey = useMemo(() => new Map(groups.map((group) => [group.key, group])), [groups]);
  const ordered = order.map((key) => byKey.get(key)).filter((group) => group !== undefined);
  const chosen = byKey.get(place.workload) ?? (place.workload === "" ? ordered[0] : undefined);
  if (groups.length === 0) return <EmptyState kind={whyEmpty(cluster, cluster.pods.size > 0)} what="rollout" />;
  return (
    <div className={styles.columns}>
      <div {...handlers} role="presentation">
        <WorkloadList groups={ordered} chosen={chosen?.key ?? ""} />
      </div>
      {chosen === undefined ? <Gone /> : <Rollout group={chosen} />}
    </div>
  );
}

function byInterest({ waiting, failing, ready }: ReturnType<typeof groupsOf>): Group[] {
  return [...waiting, ...failing].sort((a, b) => b.pods.length - a.pods.length || (a.key < b.key ? -1 : 1)).concat(ready);
}

function Gone() {
  return (
    <Section title="Roll-out">
      <p className={styles.gone}>This workload has no pod that waits for images, or did so in the last half hour.</p>
    </Section>
  );
}

function Rollout({ group }: { group: Group }) {
  const { cluster } = useLive();
  const { held, handlers } = useHold();
  const matrix = useMemo(() => matrixOf(group, cluster.rows), [group, cluster.rows]);
  const wanted = useMemo(() => matrix.lines.map((line) => line.nodeName), [matrix]);
  const order = useHeld(wanted, held, heldOrder);
  const byNode = useMemo(() => new Map(matrix.lines.map((line) => [line.nodeName, line])), [matrix]);
  const lines = order.map((node) => byNode.get(node)).filter((line) => line !== undefined);
  const { kind, namespace, name } = group.workload;
  return (
    <Section title={name} note={`${kind} in ${namespace}`}>
      <p className={styles.sum}>
        <strong>
          {matrix.readyNodes} of {matrix.lines.length} {matrix.lines.length === 1 ? "node" : "nodes"} ready
        </strong>
        <span className={styles.meter} aria-hidden="true">
          <svg width="100%" height="8" preserveAspectRatio="none">
            <rect width={`${(100 * matrix.readyNodes) / Math.max(1, matrix.lines.length)}%`} height="8" />
          </svg>
        </span>
      </p>
      <div className={styles.table} {...handlers} role="presentation">
        <div className={styles.heads} aria-hidden="true">
          <span>Node</span>
          <span>{matrix.images.length === 1 ? `Image: ${shortImage(matrix.images[0] ?? "")}` : "Images"}</span>
          <span>Ready in</span>
        </div>
        <VirtualRows
          label={`Nodes of ${name}, the slowest first`}
          className={styles.list}
          rows={lines}
          keyOf={(line) => line.nodeName}
          estimatePx={() => 58}
          labelOf={(line) => line.nodeName}
          render={(line) => <MatrixLine line={line} images={matrix.images} />}
        />
      </div>
      <div className={styles.commands}>
        <Commands commands={workloadCommands(group.workload)} />
      </div>
    </Section>
  );
}
