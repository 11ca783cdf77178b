/* Each node over time, which shows a serialized queue; and the throughput of cluster and registries. */
import { useMemo } from "react";
import { useRoute, useSelector } from "../../data/useStore";
import type { Cluster } from "../../model/cluster";
import { matchesNode } from "../../model/filter";
import type { Row } from "../../model/row";
import { isPending, type ClusterNode, type Pod } from "../../model/types";
import { Section } from "../../ui/Section";
import table from "../../ui/Table.module.css";
import { useSteadyOrder } from "../../ui/useSteadyOrder";
import { VirtualRows } from "../../ui/VirtualRows";
import { EmptyState } from "../shared/EmptyState";
import { Axis, LaneLegend } from "./Lane";
import { windowOf } from "./lanes";
import { NodeRow } from "./NodeRow";
import styles from "./NodesPage.module.css";
import { Throughput } from "./Throughput";

interface Line {
  readonly node: ClusterNode;
  readonly rows: readonly Row[];
  readonly pods: readonly Pod[];
}

export function NodesPage() {
  const { cluster, atMs } = useSelector((state) => state.step);
  const route = useRoute();
  const lines = useMemo(() => linesOf(cluster), [cluster]);
  const shown = useMemo(
    () => [...lines.values()].filter(({ node, rows }) => matchesNode(node, rows.map((row) => row.pull), route)),
    [lines, route],
  );
  const sorted = useMemo(() => shown.toSorted(busiestFirst).map(({ node }) => node.nodeName), [shown]);
  const { order, handlers } = useSteadyOrder(sorted);
  const view = useMemo(() => windowOf(cluster, atMs), [cluster, atMs]);
  const ordered = order.flatMap((name) => lines.get(name) ?? []);
  const busy = shown.filter(({ node }) => node.pulling > 0).length;
  return (
    <>
      <Throughput />
      <Section title="Nodes" note={`${busy} of ${shown.length} pulling`} side={<LaneLegend />}>
        {ordered.length === 0 ? (
          (!cluster.loaded || cluster.nodes !== null) && <EmptyState filtered={lines.size > 0} quiet="No agent has reported yet." />
        ) : (
          <div className={table.table} {...handlers} role="presentation">
            <Axis view={view} nowMs={atMs} />
            <VirtualRows
              label="Nodes"
              className={`${table.list ?? ""} ${styles.list ?? ""}`}
              rows={ordered}
              keyOf={({ node }) => node.nodeName}
              estimatePx={() => 62}
              labelOf={({ node }) => node.nodeName}
              render={({ node, rows, pods }) => (
                <NodeRow node={node} rows={rows} pods={pods} view={view} nowMs={atMs} open={route.open.includes(node.nodeName)} />
              )}
            />
          </div>
        )}
      </Section>
    </>
  );
}

function linesOf({ nodes, rows, pods }: Cluster): Map<string, Line> {
  const lines = new Map((nodes ?? []).map((node) => [node.nodeName, { node, rows: [] as Row[], pods: [] as Pod[] }]));
  for (const row of rows.values()) lines.get(row.pull.nodeName)?.rows.push(row);
  for (const pod of pods.values()) if (isPending(pod)) lines.get(pod.nodeName)?.pods.push(pod);
  return lines;
}

/** Stale nodes and errors first, then queues, then pulls. */
function busiestFirst(a: Line, b: Line): number {
  return rank(b.node) - rank(a.node) || (a.node.nodeName < b.node.nodeName ? -1 : 1);
}

function rank({ stale, agentError, pulling, queued, failing }: ClusterNode): number {
  if (stale || agentError !== "") return 4;
  if (pulling > 0) return queued > 0 ? 3 : 2;
  return queued > 0 || failing > 0 ? 1 : 0;
}
