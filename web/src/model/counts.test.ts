import { expect, it } from "vitest";
import { aPod, aRow, rowsOf } from "../testing/pulls";
import { countsOf, namespacesOf } from "./counts";

const pods = new Map(
  [aPod({ podName: "a", etaSeconds: 5 }), aPod({ podName: "b", etaSeconds: 50 }), aPod({ podName: "c", state: "failing" }), aPod({ podName: "d", state: "ready", namespace: "ml" })].map((pod) => [pod.id, pod]),
);

it("counts what runs and who waits, and no rate of a silent agent", () => {
  const rows = rowsOf(aRow({ id: "a", stale: true }), aRow({ id: "b", bytesPerSec: 7 }), aRow({ id: "c", phase: "failed" }), aRow({ id: "d", phase: "unknown" }));
  expect(countsOf({ rows, pods })).toEqual({ pulling: 2, pullingNodes: 1, waitingPods: 2, failingPods: 1, bytesPerSec: 7, nextDueAtMs: 5000, lastDueAtMs: 50_000 });
});

it("knows every namespace once", () => {
  expect(namespacesOf({ rows: rowsOf(), pods })).toEqual(["ml", "shop"]);
});
