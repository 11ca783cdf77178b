// Problems of pods, pulls and nodes, the most harmful first.
import type { Cluster } from "../model/cluster";
import { shortImage, shortPull } from "../model/image";
import { stalledSeconds, type Row } from "../model/row";
import { hasEnded, type ClusterNode, type Failure, type Pod, type Thresholds } from "../model/types";
import { reasonWords } from "../model/words";

interface Common {
  readonly key: string;
  /** "payments:v3.0.0" */
  readonly subject: string;
  /** Follows the subject: "was not found in the registry". */
  readonly text: string;
}

export interface ImageProblem extends Common {
  readonly kind: "failing";
  readonly failure: Failure | null;
  readonly nodes: readonly string[];
  readonly pods: readonly string[];
  /** The next retry of any pod; null if the kubelet does not retry, or its time is unknown. */
  readonly retryAtMs: number | null;
  readonly image: string;
}

export interface PullProblem extends Common {
  readonly kind: "stalled" | "long";
  readonly pullId: string;
  readonly nodeName: string;
  readonly pods: readonly string[];
  readonly reportedAtMs: number;
}

export interface NodeProblem extends Common {
  readonly kind: "stale" | "error";
  readonly nodeName: string;
  readonly reportedAtMs: number;
}

export type Problem = ImageProblem | PullProblem | NodeProblem;

export function problemsOf(cluster: Pick<Cluster, "rows" | "pods" | "nodes" | "thresholds">, nowMs: number): Problem[] {
  return [
    ...imageProblems(cluster.pods.values()),
    ...pullProblems(cluster.rows.values(), nowMs, cluster.thresholds),
    ...(cluster.nodes ?? []).flatMap(nodeProblem),
  ];
}

/** Return each failure of an image once, for all its pods and nodes. */
function imageProblems(pods: Iterable<Pod>): ImageProblem[] {
  const found = new Map<string, ImageProblem & { nodes: string[]; pods: string[] }>();
  for (const pod of pods) {
    if (pod.state !== "failing") continue;
    for (const { image, failure, state } of pod.images) {
      if (state !== "failed") continue;
      const key = `failing ${image} ${failure?.reason ?? ""}`;
      const before = found.get(key);
      const nodes = before?.nodes ?? [];
      if (!nodes.includes(pod.nodeName)) nodes.push(pod.nodeName);
      const names = before?.pods ?? [];
      if (!names.includes(pod.id)) names.push(pod.id);
      found.set(key, {
        kind: "failing",
        key,
        image,
        subject: shortImage(image),
        text: reasonWords(failure?.reason ?? ""),
        failure: before?.failure ?? failure,
        nodes,
        pods: names,
        retryAtMs: soonest(before?.retryAtMs ?? null, failure?.retryAtMs ?? null),
      });
    }
  }
  return [...found.values()];
}

function soonest(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return Math.min(a, b);
}

function pullProblems(rows: Iterable<Row>, nowMs: number, thresholds: Thresholds): PullProblem[] {
  const found: PullProblem[] = [];
  for (const row of rows) {
    const { pull, reportedAtMs } = row;
    if (hasEnded(pull.phase) || pull.stale) continue;
    const stalled = stalledSeconds(row, nowMs, thresholds) !== null;
    const long = pull.phase === "downloading" && (pull.etaSeconds ?? 0) > thresholds.longSeconds;
    if (!stalled && !long) continue;
    found.push({
      kind: stalled ? "stalled" : "long",
      key: `pull ${pull.id}`,
      subject: shortPull(pull),
      text: stalled ? "is stalled" : "takes long",
      pullId: pull.id,
      nodeName: pull.nodeName,
      pods: [...new Set(pull.pods.map((pod) => `${pod.namespace}/${pod.podName}`))],
      reportedAtMs,
    });
  }
  return found.sort((a, b) => a.reportedAtMs - b.reportedAtMs);
}

function nodeProblem({ nodeName, stale, agentError, reportedAtMs }: ClusterNode): NodeProblem[] {
  const common = { subject: nodeName, nodeName, reportedAtMs };
  if (stale) return [{ ...common, kind: "stale", key: `stale ${nodeName}`, text: "has an agent that is not reporting" }];
  if (agentError !== "") return [{ ...common, kind: "error", key: `error ${nodeName}`, text: `has an agent error: ${agentError}` }];
  return [];
}
