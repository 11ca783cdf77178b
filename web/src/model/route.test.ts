import { expect, it } from "vitest";
import { toView, HOME, parseRoute, formatRoute, toggled } from "./route";

it("writes only what differs from the default", () => {
  expect([formatRoute(HOME), formatRoute({ ...HOME, view: "pulls", sort: "-rate" })]).toEqual(["", "?view=pulls&sort=-rate"]);
});

it("reads what it has written, with any characters", () => {
  const route = { view: "rollout", query: "a b&c=<d>", namespace: "ml", state: "x", sort: "node", open: ["shop/web-1", "id&?"], workload: "ml/Deployment/llm" } as const;
  expect(parseRoute(formatRoute(route))).toEqual(route);
});

it("falls back to the home view for an invalid address", () => {
  expect(parseRoute("?view=../etc&open=")).toEqual({ ...HOME, open: [""] });
});

it("keeps the search in another view, and drops the view's own parts", () => {
  expect(toView({ ...HOME, query: "gpu", namespace: "ml", sort: "x", open: ["a"] }, "nodes")).toEqual({ ...HOME, view: "nodes", query: "gpu", namespace: "ml" });
});

it("opens, closes, and keeps the latest of many", () => {
  expect([toggled(["a"], "b"), toggled(["a", "b"], "a")]).toEqual([["a", "b"], ["b"]]);
  expect(toggled(Array.from({ length: 20 }, (_, index) => `${index}`), "x")).toHaveLength(20);
});
