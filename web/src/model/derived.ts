// From a server that says nothing of pods or nodes: what the pulls tell of them.
import { hasEnded, type ClusterNode, type Due, type Need, type Pod, type Pull } from "./types";
import type { Cluster, Row } from "./cluster";

export function podsOfPulls(rows: Iterable<Row>): Map<string, Pod> {
  const pods = new Map<string, Pod & { needs: Need[] }>();
  for (const { pull } of rows) {
    if (pull.phase === "completed" || pull.phase === "unknown") continue;
    for (const waiting of pull.pods) {
      const id = `${waiting.namespace}/${waiting.podName}`;
      const { namespace, podName } = waiting;
      const workload = waiting.workload ?? { namespace, kind: "Pod", name: podName };
      const pod = pods.get(id) ?? {
        ...{ id, namespace, podName, workload, nodeName: pull.nodeName },
        ...{ state: "waiting" as const, waitingSinceMs: null, endedAtMs: null, due: null, needs: [], moreNeeds: 0 },
      };
      pods.set(id, pod);
      // A try that failed counts only until the next one runs.
      const other = pod.needs.findIndex((need) => need.container === waiting.container);
      if (other === -1) pod.needs.push(needOf(pull, waiting.container, waiting.image));
      else if (pull.phase !== "failed") pod.needs[other] = needOf(pull, waiting.container, waiting.image);
    }
  }
  return new Map([...pods].map(([id, pod]) => [id, summedUp(pod)]));
}

function needOf(pull: Pull, container: string, image: string): Need {
  const { failure, id } = pull;
  const failed = pull.phase === "failed";
  return { container, role: "main", image, state: failed ? "failed" : "pulling", pullId: id, behind: [], due: dueOf(pull), failure };
}

function dueOf({ phase, etaSeconds, etaRangeSeconds, heardAtMs, stale }: Pull): Due | null {
  if (etaSeconds === null || hasEnded(phase) || stale) return null;
  const [soonest, latest] = etaRangeSeconds ?? [etaSeconds, etaSeconds];
  return { likelyAtMs: heardAtMs + etaSeconds * 1000, soonestAtMs: heardAtMs + soonest * 1000, latestAtMs: heardAtMs + latest * 1000 };
}

function summedUp(pod: Pod): Pod {
  const dues = pod.needs.map((need) => need.due);
  const known = dues.filter((due) => due !== null);
  const last = (pick: (due: Due) => number) => Math.max(...known.map(pick));
  return {
    ...pod,
    state: pod.needs.some((need) => need.state === "failed") ? "failing" : "waiting",
    due:
      known.length < dues.length || known.length === 0
        ? null
        : {
            likelyAtMs: last((due) => due.likelyAtMs),
            soonestAtMs: last((due) => due.soonestAtMs),
            latestAtMs: last((due) => due.latestAtMs ?? 0),
          },
  };
}

/** All nodes, those that only a pull tells of included. */
export function nodesOf({ nodes, rows }: Pick<Cluster, "nodes" | "rows">): readonly ClusterNode[] {
  return nodes !== null && nodes.length > 0 ? nodes : nodesOfPulls(rows.values());
}

/** When these last reported is not known. */
function nodesOfPulls(rows: Iterable<Row>): ClusterNode[] {
  const nodes = new Map<string, ClusterNode>();
  for (const { pull, heardAtMs } of rows) {
    const before = nodes.get(pull.nodeName);
    const running = !hasEnded(pull.phase);
    nodes.set(pull.nodeName, {
      nodeName: pull.nodeName,
      reportedAtMs: Math.max(before?.reportedAtMs ?? 0, heardAtMs),
      stale: pull.stale || (before?.stale ?? false),
      bytesPerSec: (before?.bytesPerSec ?? 0) + (running && !pull.stale ? pull.bytesPerSec : 0),
      pulling: (before?.pulling ?? 0) + (running ? 1 : 0),
      ...{ queued: 0, failing: 0, parallel: false, trouble: "" },
    });
  }
  return [...nodes.values()];
}
