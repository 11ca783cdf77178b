import { expect, it } from "vitest";
import { aPod, aRow, rowsOf, THRESHOLDS, wireImage } from "../testing/builders";
import { problemsOf } from "./problems";

const cluster = (fields: object) => ({ rows: rowsOf(), pods: new Map(), nodes: null, thresholds: THRESHOLDS, ...fields });
const failing = (podName: string, nodeName: string, retryAt: string) =>
  aPod({ podName, nodeName, state: "failing", images: [wireImage({ state: "failed", failure: { reason: "not_found", message: "m", retryAt } })] });

it("has a failure of an image once, for all pods and nodes, with the next retry of any", () => {
  const pods = [failing("web-1", "n1", "1970-01-01T00:00:40Z"), failing("web-2", "n2", "1970-01-01T00:00:20Z")].map((pod) => [pod.id, pod] as const);
  expect(problemsOf(cluster({ pods: new Map(pods) }), 0)).toMatchObject([
    { kind: "failing", subject: "nginx:1.27", text: "was not found in the registry", nodes: ["n1", "n2"], pods: ["shop/web-1", "shop/web-2"], retryAtMs: 20_000 },
  ]);
});

it("finds a stalled download, and one with a long estimate", () => {
  const rows = rowsOf(aRow({ id: "a", bytesPerSec: 0 }), aRow({ id: "b", etaSeconds: 3600 }), aRow({ id: "c" }), aRow({ id: "d", phase: "failed" }));
  expect(problemsOf(cluster({ rows }), 60_000).map((problem) => [problem.kind, problem.key])).toEqual([["stalled", "pull a"], ["long", "pull b"]]);
});

it("finds nodes with a stale report or an agent error, without their pulls", () => {
  const node = { nodeName: "n1", reportedAtMs: 5, stale: true, agentError: "" };
  const rows = rowsOf(aRow({ id: "a", stale: true, bytesPerSec: 0 }));
  const found = problemsOf(cluster({ rows, nodes: [node, { ...node, nodeName: "n2", stale: false, agentError: "containerd does not respond" }] }), 60_000);
  expect(found.map((problem) => [problem.kind, problem.subject])).toEqual([["stale", "n1"], ["error", "n2"]]);
});
