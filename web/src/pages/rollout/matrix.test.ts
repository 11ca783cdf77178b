import { expect, it } from "vitest";
import { aPod, aRow, rowsOf, wireNeed } from "../../testing/pulls";
import { matrixOf } from "./matrix";

const waiting = (podName: string) => [{ namespace: "shop", podName, container: "web", image: "nginx:1.27" }];

it("puts the slowest node on top: what fails, then what nobody can say, then the latest; ready ones last", () => {
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

it("shows each image of each node: what runs with its row, what is there with the pull that brought it", () => {
  const rows = rowsOf(
    aRow({ id: "run", nodeName: "n1", pods: waiting("a") }),
    aRow({ id: "done", nodeName: "n2", phase: "completed", pods: waiting("b") }),
  );
  const pods = [
    aPod({ podName: "a", nodeName: "n1", images: [wireNeed({ pullId: "run" }), wireNeed({ container: "p", image: "proxy:1", state: "queued", pullId: "" })] }),
    aPod({ podName: "b", nodeName: "n2", state: "ready", images: [] }),
  ];
  const matrix = matrixOf({ pods }, rows);
  expect(matrix.images).toEqual(["nginx:1.27", "proxy:1"]);
  expect(matrix.lines.map((line) => line.cells.map((cell) => [cell.state, cell.row?.pull.id]))).toEqual([
    [["pulling", "run"], ["queued", undefined]],
    [["ready", "done"], ["ready", undefined]],
  ]);
});
