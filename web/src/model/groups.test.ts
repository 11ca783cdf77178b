import { expect, it } from "vitest";
import { aPod } from "../testing/pulls";
import { groupsOf } from "./groups";

const pod = (podName: string, name: string, fields: Record<string, unknown> = {}) =>
  aPod({ podName, workload: { namespace: "shop", kind: "Deployment", name }, ...fields });

it("puts the workload first that is ready first, by its last pod; those of which nobody can say come last", () => {
  const groups = groupsOf([
    pod("a-1", "a", { etaSeconds: 10 }),
    pod("a-2", "a", { etaSeconds: 90 }),
    pod("b-1", "b", { etaSeconds: 30 }),
    pod("c-1", "c", { etaSeconds: undefined }),
  ]);
  expect(groups.waiting.map((group) => [group.workload.name, group.dueAtMs])).toEqual([["b", 30_000], ["a", 90_000], ["c", null]]);
});

it("lists a workload's waiting pods by when they are due, then failing ones, then ready ones", () => {
  const [group] = groupsOf([
    pod("ready", "a", { state: "ready", images: [] }),
    pod("failing", "a", { state: "failing" }),
    pod("late", "a", { etaSeconds: 90 }),
    pod("soon", "a", { etaSeconds: 9 }),
  ]).waiting;
  expect(group?.pods.map((each) => each.podName)).toEqual(["soon", "late", "failing", "ready"]);
  expect(group).toMatchObject({ waiting: 2, failing: 1, ready: 1 });
});

it("keeps apart what cannot start and what is ready, and leaves out what was deleted", () => {
  const groups = groupsOf([pod("f", "f", { state: "failing" }), pod("r", "r", { state: "ready" }), pod("g", "g", { state: "gone" })]);
  expect([groups.waiting.length, groups.failing.length, groups.ready.length]).toEqual([0, 1, 1]);
});
