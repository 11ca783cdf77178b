import { expect, it } from "vitest";
import { aPod, aRow, rowsOf } from "../testing/builders";
import { countsOf, namespacesOf } from "./counts";

const pods = new Map(
  [aPod({ podName: "a", etaSeconds: 5 }), aPod({ podName: "b", etaSeconds: 50 }), aPod({ podName: "c", state: "failing" }), aPod({ podName: "d", state: "ready", namespace: "ml" })].map((pod) => [pod.id, pod]),
);

it("counts pulls and pods, and no rate of a stale report", () => {
  const rows = rowsOf(aRow({ id: "a", stale: true }), aRow({ id: "b", bytesPerSec: 7 }), aRow({ id: "c", phase: "failed" }), aRow({ id: "d", phase: "unknown" }));
  expect(countsOf({ rows, pods })).toEqual({ pulling: 2, pullingNodes: 1, waitingPods: 2, failingPods: 1, bytesPerSec: 7, nextReadyAtMs: 5000, lastReadyAtMs: 50_000 });
});

it("lists every namespace once", () => {
  expect(namespacesOf({ rows: rowsOf(), pods })).toEqual(["ml", "shop"]);
});
