import { expect, it } from "vitest";
import { aPod, aRow, rowsOf, wireImage } from "../../testing/builders";
import { matrixOf } from "./matrix";

const waiting = (podName: string) => [{ namespace: "shop", podName, container: "web", image: "nginx:1.27" }];

it("puts failing nodes first, then nodes without an estimate, then the latest; ready nodes last", () => {
  const pods = [
    aPod({ podName: "a", nodeName: "ready", state: "ready", images: [] }),
    aPod({ podName: "b", nodeName: "soon", etaSeconds: 5 }),
    aPod({ podName: "c", nodeName: "late", etaSeconds: 90 }),
    aPod({ podName: "d", nodeName: "unknown", etaSeconds: undefined }),
    aPod({ podName: "e", nodeName: "failing", state: "failing" }),
  ];
  const matrix = matrixOf({ pods }, rowsOf());
  expect(matrix.lines.map((line) => line.nodeName)).toEqual(["failing", "unknown", "late", "soon", "ready"]);
  expect(matrix.readyNodes).toBe(1);
});

it("has a cell for each image of each node, with its running or ended pull", () => {
  const rows = rowsOf(
    aRow({ id: "run", nodeName: "n1", pods: waiting("a") }),
    aRow({ id: "done", nodeName: "n2", phase: "completed", pods: waiting("b") }),
  );
  const pods = [
    aPod({ podName: "a", nodeName: "n1", images: [wireImage({ pullId: "run" }), wireImage({ container: "p", image: "proxy:1", state: "queued", pullId: "" })] }),
    aPod({ podName: "b", nodeName: "n2", state: "ready", images: [] }),
  ];
  const matrix = matrixOf({ pods }, rows);
  expect(matrix.images).toEqual(["nginx:1.27", "proxy:1"]);
  expect(matrix.lines.map((line) => line.cells.map((cell) => [cell.state, cell.row?.pull.id]))).toEqual([
    [["pulling", "run"], ["queued", undefined]],
    [["ready", "done"], ["ready", undefined]],
  ]);
});
