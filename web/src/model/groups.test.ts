import { expect, it } from "vitest";
import { aPod } from "../testing/builders";
import { groupsOf } from "./groups";

const pod = (podName: string, name: string, fields: Record<string, unknown> = {}) =>
  aPod({ podName, workload: { namespace: "shop", kind: "Deployment", name }, ...fields });

it("sorts workloads by the estimate of their last pod, without an estimate last", () => {
  const groups = groupsOf([
    pod("a-1", "a", { etaSeconds: 10 }),
    pod("a-2", "a", { etaSeconds: 90 }),
    pod("b-1", "b", { etaSeconds: 30 }),
    pod("c-1", "c", { etaSeconds: undefined }),
  ]);
  expect(groups.waiting.map((group) => [group.workload.name, group.readyAtMs])).toEqual([["b", 30_000], ["a", 90_000], ["c", null]]);
});

it("lists a workload's waiting pods by their estimates, then failing pods, then ready pods", () => {
  const [group] = groupsOf([
    pod("ready", "a", { state: "ready", images: [] }),
    pod("failing", "a", { state: "failing" }),
    pod("late", "a", { etaSeconds: 90 }),
    pod("soon", "a", { etaSeconds: 9 }),
  ]).waiting;
  expect(group?.pods.map((each) => each.podName)).toEqual(["soon", "late", "failing", "ready"]);
  expect(group).toMatchObject({ waiting: 2, failing: 1, ready: 1 });
});

it("separates failing and ready workloads, and leaves out deleted pods", () => {
  const groups = groupsOf([pod("f", "f", { state: "failing" }), pod("r", "r", { state: "ready" }), pod("g", "g", { state: "gone" })]);
  expect([groups.waiting.length, groups.failing.length, groups.ready.length]).toEqual([0, 1, 1]);
});
