// One workload's images on the nodes of its pods.
import type { Rows } from "../../model/cluster";
import type { Row } from "../../model/row";
import { hasEnded, type Estimate, type Failure, type ImageState, type PendingImage, type Pod } from "../../model/types";
import type { Group } from "../../model/groups";

export type CellState = ImageState | "ready";

export interface Cell {
  readonly state: CellState;
  /** The running pull, or the one that pulled the image. */
  readonly row: Row | null;
  readonly failure: Failure | null;
  readonly behind: PendingImage["behind"];
}

export interface NodeLine {
  readonly nodeName: string;
  readonly ready: boolean;
  readonly failing: boolean;
  /** The slowest pod's. */
  readonly estimate: Estimate | null;
  readonly pods: readonly Pod[];
  /** One for each image of the matrix, in its order. */
  readonly cells: readonly Cell[];
}

export interface Matrix {
  readonly images: readonly string[];
  /** The slowest first. */
  readonly lines: readonly NodeLine[];
  readonly readyNodes: number;
}

export function matrixOf({ pods }: Pick<Group, "pods">, rows: Rows): Matrix {
  const byNode = new Map<string, Pod[]>();
  for (const pod of pods) byNode.set(pod.nodeName, [...(byNode.get(pod.nodeName) ?? []), pod]);
  const pulled = pullsFor(pods, rows);
  const images = [...new Set([...pods.flatMap((pod) => pod.images.map(({ image }) => image)), ...pulled.map(({ image }) => image)])];
  const lines = [...byNode].map(([nodeName, members]) => {
    const onNode = pulled.filter(({ row }) => row.pull.nodeName === nodeName);
    return lineOf(nodeName, members, images, onNode, rows);
  });
  return { images, lines: lines.sort(bySlowest), readyNodes: lines.filter((line) => line.ready).length };
}

interface Pulled {
  readonly image: string;
  readonly row: Row;
}

/** Return the running and ended pulls for the pods. */
function pullsFor(pods: readonly Pod[], rows: Rows): Pulled[] {
  const ids = new Set(pods.map((pod) => pod.id));
  const found: Pulled[] = [];
  for (const row of rows.values()) {
    for (const pod of row.pull.pods) {
      if (ids.has(`${pod.namespace}/${pod.podName}`)) found.push({ image: pod.image, row });
    }
  }
  return found;
}

function lineOf(nodeName: string, pods: readonly Pod[], images: readonly string[], pulled: readonly Pulled[], rows: Rows): NodeLine {
  const pending = pods.flatMap((pod) => pod.images);
  const ready = pods.every((pod) => pod.state === "ready");
  const slowest = pods.reduce((last, pod) => (likelyAtMs(pod) > likelyAtMs(last) ? pod : last));
  return {
    nodeName,
    ready,
    failing: pods.some((pod) => pod.state === "failing"),
    estimate: slowest.estimate,
    pods,
    cells: images.map((image) => {
      const row = newest(pulled.filter((each) => each.image === image).map((each) => each.row));
      const found = pending.find((each) => each.image === image);
      // An image that no pod waits for is on the node.
      if (found === undefined) return { state: "ready" as const, row, failure: null, behind: [] };
      const { state, failure, behind } = found;
      return { state, failure, behind, row: rows.get(found.pullId) ?? (row !== null && !hasEnded(row.pull.phase) ? row : null) };
    }),
  };
}

function newest(rows: readonly Row[]): Row | null {
  return rows.reduce<Row | null>((last, row) => (last === null || (row.pull.startedAtMs ?? 0) > (last.pull.startedAtMs ?? 0) ? row : last), null);
}

function likelyAtMs({ estimate }: { readonly estimate: Estimate | null }): number {
  return estimate?.likelyAtMs ?? 0;
}

/** Failing nodes, then nodes without an estimate, then the latest; ready nodes last. */
function bySlowest(a: NodeLine, b: NodeLine): number {
  return rank(a) - rank(b) || likelyAtMs(b) - likelyAtMs(a) || (a.nodeName < b.nodeName ? -1 : 1);
}

function rank(line: NodeLine): number {
  if (line.ready) return 3;
  if (line.failing) return 0;
  return line.estimate === null ? 1 : 2;
}
