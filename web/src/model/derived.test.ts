import { expect, it } from "vitest";
import { aRow, rowsOf } from "../testing/pulls";
import { nodesOf, podsOfPulls } from "./derived";

const pods = [{ namespace: "shop", podName: "web-0", container: "web", image: "nginx:1.27" }];

it("takes a try that failed as the pod's state only until the next one runs", () => {
  const failed = aRow({ id: "a", phase: "failed", error: "not found", pods });
  const running = aRow({ id: "b", pods });
  expect(podsOfPulls([failed]).get("shop/web-0")).toMatchObject({ state: "failing", needs: [{ failure: { message: "not found" } }] });
  expect(podsOfPulls([failed, running]).get("shop/web-0")).toMatchObject({ state: "waiting", needs: [{ pullId: "b" }] });
});

it("knows no time for a pod of which one image has none", () => {
  const other = [{ ...pods[0], container: "proxy" }];
  expect(podsOfPulls([aRow({ id: "a", pods }), aRow({ id: "b", pods: other, etaSeconds: undefined })]).get("shop/web-0")?.due).toBeNull();
});

it("sums up what runs on a node, without the rate of a silent agent", () => {
  const rows = rowsOf(aRow({ id: "a", bytesPerSec: 7 }), aRow({ id: "b", bytesPerSec: 5, stale: true }), aRow({ id: "c", phase: "failed" }));
  const nodes = nodesOf({ nodes: null, rows });
  expect(nodes).toMatchObject([{ nodeName: "worker-1", pulling: 2, bytesPerSec: 7, stale: true }]);
});
