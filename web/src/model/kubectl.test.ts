import { expect, it } from "vitest";
import { nodeCommands, podCommands, workloadCommands } from "./kubectl";

it("names its object", () => {
  expect(podCommands("shop", "web-7d9")).toMatchObject([{ line: "kubectl -n shop describe pod web-7d9" }]);
  expect(workloadCommands({ namespace: "shop", kind: "Deployment", name: "web" })).toMatchObject([{ line: "kubectl -n shop rollout status deployment/web" }]);
  expect(workloadCommands({ namespace: "shop", kind: "Job", name: "once" })).toMatchObject([{ line: "kubectl -n shop describe job/once" }]);
});

it.each(["x; rm -rf ~", "$(id)", "`id`", "-o", "a b", "x\n", "a'b", "../x", ""])("makes no command with a name that is invalid in Kubernetes: %o", (name) => {
  expect([podCommands("shop", name), podCommands(name, "web"), nodeCommands(name), workloadCommands({ namespace: "shop", kind: "Deployment", name })].flat()).toEqual([]);
  expect(workloadCommands({ namespace: "shop", kind: name, name: "web" })).toEqual([]);
});
