// One workload's images on the nodes of its pods.
import { hasEnded, type Due, type Failure, type Need, type Pod } from "../../model/types";
import type { Row, Rows } from "../../model/cluster";
import type { Group } from "../../model/groups";

export type CellState = "ready" | "pulling" | "queued" | "needed" | "failed" | "none";

export interface Cell {
  readonly state: CellState;
  /** The pull that runs, or the one that brought the image. */
  readonly row: Row | null;
  readonly due: Due | null;
  readonly failure: Failure | null;
  readonly behind: Need["behind"];
}

export interface NodeLine {
  readonly nodeName: string;
  readonly ready: boolean;
  readonly failing: boolean;
  readonly dueAtMs: number | null;
  readonly due: Due | null;
  readonly pods: readonly Pod[];
  /** One for each image of the matrix, in its order. */
  readonly cells: readonly Cell[];
}

export interface Matrix {
  readonly images: readonly string[];
  /** Slowest on top. */
  readonly lines: readonly NodeLine[];
  readonly readyNodes: number;
}

const NO_CELL: Cell = { state: "none", row: null, due: null, failure: null, behind: [] };

export function matrixOf({ pods }: Pick<Group, "pods">, rows: Rows): Matrix {
  const byNode = new Map<string, Pod[]>();
  for (const pod of pods) byNode.set(pod.nodeName, [...(byNode.get(pod.nodeName) ?? []), pod]);
  const pulled = pullsFor(pods, rows);
  const images = [...new Set([...pods.flatMap((pod) => pod.needs.map((need) => need.image)), ...pulled.map(({ image }) => image)])];
  const lines = [...byNode].map(([nodeName, members]) => {
    const here = pulled.filter(({ row }) => row.pull.nodeName === nodeName);
    return lineOf(nodeName, members, images, here, rows);
  });
  return { images, lines: lines.sort(bySlowest), readyNodes: lines.filter((line) => line.ready).length };
}

interface Pulled {
  readonly image: string;
  readonly row: Row;
}

/** The pulls, running or ended, of which the rows say that they were for one of the pods. */
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
  const needs = pods.flatMap((pod) => pod.needs);
  const ready = pods.every((pod) => pod.state === "ready");
  const slowest = pods.reduce((last, pod) => (dueMs(pod.due) > dueMs(last.due) ? pod : last));
  return {
    nodeName,
    ready,
    failing: pods.some((pod) => pod.state === "failing"),
    due: slowest.due,
    dueAtMs: slowest.due?.likelyAtMs ?? null,
    pods,
    cells: images.map((image) => {
      const row = newest(pulled.filter((each) => each.image === image).map((each) => each.row));
      const need = needs.find((each) => each.image === image);
      // What no pod there needs any more is on the node.
      if (need === undefined) return { ...NO_CELL, state: "ready" as const, row };
      const { state, due, failure, behind } = need;
      return { state, due, failure, behind, row: rows.get(need.pullId) ?? (row !== null && !hasEnded(row.pull.phase) ? row : null) };
    }),
  };
}

function newest(rows: readonly Row[]): Row | null {
  return rows.reduce<Row | null>((last, row) => (last === null || (row.pull.startedAtMs ?? 0) > (last.pull.startedAtMs ?? 0) ? row : last), null);
}

function dueMs(due: Due | null): number {
  return due?.likelyAtMs ?? 0;
}

/** Those that fail, then those of which nobody can say, then the latest. */
function bySlowest(a: NodeLine, b: NodeLine): number {
  return rank(a) - rank(b) || (b.dueAtMs ?? 0) - (a.dueAtMs ?? 0) || (a.nodeName < b.nodeName ? -1 : 1);
}

function rank(line: NodeLine): number {
  if (line.ready) return 3;
  if (line.failing) return 0;
  return line.dueAtMs === null ? 1 : 2;
}
