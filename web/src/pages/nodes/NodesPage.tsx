/* What each node does over time, so that a serialised queue is seen at a glance; and what comes over the network. */
import { useMemo, useState } from "react";
import type { ClusterNode, Pod } from "../../model/types";
import type { Cluster, Row } from "../../model/cluster";
import { nodesOf } from "../../model/derived";
import { matchesNode } from "../../model/filter";
import { windowOf } from "./lanes";
import { heldOrder } from "../../model/sorting";
import { EmptyState, whyEmpty } from "../shared/EmptyState";
import { Axis, LaneLegend } from "./Lane";
import { useClock, useLive } from "../../data/Live";
import { NodeRow } from "./NodeRow";
import { usePlace } from "../../data/Place";
import { Section } from "../../ui/Section";
import { Throughput } from "./Throughput";
import table from "../../ui/Table.module.css";
import { useHeld, useHold } from "../../ui/useHeld";
import { VirtualRows } from "../../ui/VirtualRows";
import styles from "./NodesPage.module.css";

interface Line {
  readonly node: ClusterNode;
  readonly rows: readonly Row[];
  readonly pods: readonly Pod[];
}

/** The lanes move on in steps: if they crept along all the time they would be restless, and with many nodes cost too much. */
const STEP_MS = 1_000;

export function NodesPage() {
  const { cluster, nowMs } = useStepped();
  const { place } = usePlace();
  const { held, handlers } = useHold();
  const lines = useMemo(() => linesOf(cluster), [cluster]);
  const shown = useMemo(
    () => [...lines.values()].filter(({ node, rows }) => matchesNode(node, rows.map((row) => row.pull), place)),
    [lines, place],
  );
  const wanted = useMemo(() => shown.toSorted(busiestFirst).map(({ node }) => node.nodeName), [shown]);
  const order = useHeld(wanted, held, heldOrder);
  const view = useMemo(() => windowOf(cluster, nowMs), [cluster, nowMs]);
  const ordered = order.map((name) => lines.get(name)).filter((line) => line !== undefined);
  const busy = shown.filter(({ node }) => node.pulling > 0).length;
  return (
    <>
      <Throughput />
      <Section title="Nodes" note={`${busy} of ${shown.length} pulling`} side={<LaneLegend />}>
        {ordered.length === 0 ? (
          <EmptyState kind={whyEmpty(cluster, lines.size > 0)} what="nodes" />
        ) : (
          <div className={table.table} {...handlers} role="presentation">
            <Axis view={view} nowMs={nowMs} />
            <VirtualRows
              label="Nodes"
              className={`${table.list ?? ""} ${styles.list ?? ""}`}
              rows={ordered}
              keyOf={({ node }) => node.nodeName}
              estimatePx={() => 62}
              labelOf={({ node }) => node.nodeName}
              render={({ node, rows, pods }) => (
                <NodeRow node={node} rows={rows} pods={pods} view={view} nowMs={nowMs} open={place.open.includes(node.nodeName)} />
              )}
            />
          </div>
        )}
      </Section>
    </>
  );
}

/** What was known at the last step. */
function useStepped(): { cluster: Cluster; nowMs: number } {
  const { cluster } = useLive();
  const { estimateAtMs } = useClock();
  const nowMs = Math.floor(estimateAtMs / STEP_MS) * STEP_MS;
  const [step, setStep] = useState({ cluster, nowMs });
  const due = step.nowMs !== nowMs || step.cluster.loaded !== cluster.loaded || step.cluster.connection !== cluster.connection;
  if (due && step.cluster !== cluster) setStep({ cluster, nowMs });
  return due ? { cluster, nowMs } : step;
}

function linesOf(cluster: Cluster): Map<string, Line> {
  const lines = new Map(nodesOf(cluster).map((node) => [node.nodeName, { node, rows: [] as Row[], pods: [] as Pod[] }]));
  for (const row of cluster.rows.values()) lines.get(row.pull.nodeName)?.rows.push(row);
  for (const pod of cluster.pods.values()) if (pod.state === "waiting" || pod.state === "failing") lines.get(pod.nodeName)?.pods.push(pod);
  return lines;
}

/** Silent ones on top, then those with a queue, then those that pull. */
function busiestFirst(a: Line, b: Line): number {
  return rank(b.node) - rank(a.node) || (a.node.nodeName < b.node.nodeName ? -1 : 1);
}

function rank({ stale, trouble, pulling, queued, failing }: ClusterNode): number {
  if (stale || trouble !== "") return 4;
  if (pulling > 0) return queued > 0 ? 3 : 2;
  return queued > 0 || failing > 0 ? 1 : 0;
}
