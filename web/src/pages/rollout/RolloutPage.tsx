/* One workload, node by node: the state of each image, the slowest node first. */
import { useMemo } from "react";
import { useCluster, useRoute } from "../../data/useStore";
import { matchesPod } from "../../model/filter";
import { groupsOf, type Group } from "../../model/groups";
import { shortImage } from "../../model/image";
import { workloadCommands } from "../../model/kubectl";
import { retentionText } from "../../model/words";
import { Commands } from "../../ui/Commands";
import { Section } from "../../ui/Section";
import { useSteadyOrder } from "../../ui/useSteadyOrder";
import { VirtualRows } from "../../ui/VirtualRows";
import { EmptyState } from "../shared/EmptyState";
import { matrixOf } from "./matrix";
import { MatrixLine } from "./MatrixLine";
import styles from "./RolloutPage.module.css";
import { WorkloadList } from "./WorkloadList";

export function RolloutPage() {
  const all = useCluster("pods");
  const retention = retentionText(useCluster("thresholds"));
  const route = useRoute();
  const groups = useMemo(() => byInterest(groupsOf([...all.values()].filter((pod) => matchesPod(pod, route)))), [all, route]);
  const keys = useMemo(() => groups.map((group) => group.key), [groups]);
  const { order, handlers } = useSteadyOrder(keys);
  const byKey = useMemo(() => new Map(groups.map((group) => [group.key, group])), [groups]);
  const ordered = order.flatMap((key) => byKey.get(key) ?? []);
  const chosen = byKey.get(route.workload) ?? (route.workload === "" ? ordered[0] : undefined);
  if (groups.length === 0) return <EmptyState filtered={all.size > 0} quiet={`No workload has waited for images (${retention}).`} />;
  return (
    <div className={styles.columns}>
      <div {...handlers} role="presentation">
        <WorkloadList groups={ordered} chosen={chosen?.key ?? ""} />
      </div>
      {chosen === undefined ? (
        <Section title="Rollout">
          <p className={styles.gone}>No pod of this workload has waited for images ({retention}).</p>
        </Section>
      ) : (
        <Rollout group={chosen} />
      )}
    </div>
  );
}

function byInterest({ waiting, failing, ready }: ReturnType<typeof groupsOf>): Group[] {
  return [...waiting, ...failing].sort((a, b) => b.pods.length - a.pods.length || (a.key < b.key ? -1 : 1)).concat(ready);
}

function Rollout({ group }: { group: Group }) {
  const rows = useCluster("rows");
  const matrix = useMemo(() => matrixOf(group, rows), [group, rows]);
  const nodes = useMemo(() => matrix.lines.map((line) => line.nodeName), [matrix]);
  const { order, handlers } = useSteadyOrder(nodes);
  const byNode = useMemo(() => new Map(matrix.lines.map((line) => [line.nodeName, line])), [matrix]);
  const lines = order.flatMap((node) => byNode.get(node) ?? []);
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
          label={`Nodes of ${name}, slowest first`}
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
