// What is wrong, most harmful first, each once: what it is, what to do, and who suffers.
import { hasEnded, type ClusterNode, type Failure, type Pod } from "../model/types";
import type { Cluster, Row } from "../model/cluster";
import { stalledSeconds } from "../model/estimate";
import { shortImage, shortPull } from "../model/image";
import { reasonWords } from "../model/words";

interface Common {
  readonly key: string;
  /** "payments:v3.0.0" */
  readonly subject: string;
  /** Follows the subject: "was not found in the registry". */
  readonly what: string;
}

export interface ImageProblem extends Common {
  readonly kind: "failing";
  readonly failure: Failure | null;
  readonly nodes: readonly string[];
  readonly pods: readonly string[];
  /** Null when the kubelet does not try again by itself, or nobody knows when. */
  readonly retryAtMs: number | null;
  readonly image: string;
}

export interface PullProblem extends Common {
  readonly kind: "stalled" | "slow";
  readonly pullId: string;
  readonly nodeName: string;
  readonly pods: readonly string[];
  /** When the last byte was heard of, on the page's clock. */
  readonly lastByteAtMs: number;
}

export interface NodeProblem extends Common {
  readonly kind: "silent" | "trouble";
  readonly nodeName: string;
  readonly reportedAtMs: number;
}

export type Problem = ImageProblem | PullProblem | NodeProblem;

/** A download that would take longer than this is slow, whatever its size. */
const SLOW_SECONDS = 15 * 60;

export function problemsOf(cluster: Pick<Cluster, "rows" | "pods" | "nodes">, nowMs: number): Problem[] {
  return [
    ...failing(cluster.pods.values()),
    ...pulls(cluster.rows.values(), nowMs),
    ...(cluster.nodes ?? []).flatMap(nodeProblem),
  ];
}

function failing(pods: Iterable<Pod>): ImageProblem[] {
  const found = new Map<string, ImageProblem & { nodes: string[]; pods: string[] }>();
  for (const pod of pods) {
    if (pod.state !== "failing") continue;
    for (const { image, failure, state } of pod.needs) {
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
        what: reasonWords(failure?.reason ?? ""),
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

function pulls(rows: Iterable<Row>, nowMs: number): PullProblem[] {
  const found: PullProblem[] = [];
  for (const row of rows) {
    const { pull } = row;
    if (hasEnded(pull.phase) || pull.stale) continue;
    const stalled = stalledSeconds(row, nowMs) !== null;
    const slow = pull.phase === "downloading" && (pull.etaSeconds ?? 0) > SLOW_SECONDS;
    if (!stalled && !slow) continue;
    found.push({
      kind: stalled ? "stalled" : "slow",
      key: `pull ${pull.id}`,
      subject: shortPull(pull),
      what: stalled ? "does not move" : "comes slowly",
      pullId: pull.id,
      nodeName: pull.nodeName,
      pods: [...new Set(pull.pods.map((pod) => `${pod.namespace}/${pod.podName}`))],
      lastByteAtMs: row.heardAtMs,
    });
  }
  return found.sort((a, b) => a.lastByteAtMs - b.lastByteAtMs);
}

function nodeProblem({ nodeName, stale, trouble, reportedAtMs }: ClusterNode): NodeProblem[] {
  if (stale) {
    return [{ kind: "silent", key: `silent ${nodeName}`, subject: nodeName, what: "is not heard of: its agent does not report", nodeName, reportedAtMs }];
  }
  if (trouble !== "") {
    return [{ kind: "trouble", key: `trouble ${nodeName}`, subject: nodeName, what: `cannot be looked at: ${trouble}`, nodeName, reportedAtMs }];
  }
  return [];
}
