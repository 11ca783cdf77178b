import { expect, it } from "vitest";
import { goTo, HOME, placeOf, searchOf, toggled } from "./place";

it("writes no more than what is not as at first", () => {
  expect([searchOf(HOME), searchOf({ ...HOME, view: "pulls", sort: "-rate" })]).toEqual(["", "?view=pulls&sort=-rate"]);
});

it("reads what it has written, whatever it holds", () => {
  const place = { view: "rollout", query: "a b&c=<d>", namespace: "ml", state: "x", sort: "node", open: ["shop/web-1", "id&?"], workload: "ml/Deployment/llm" } as const;
  expect(placeOf(searchOf(place))).toEqual(place);
});

it("is at home for an address that makes no sense", () => {
  expect(placeOf("?view=../etc&open=")).toEqual({ ...HOME, open: [""] });
});

it("takes the search along to another view, and leaves the view's own behind", () => {
  expect(goTo({ ...HOME, query: "gpu", namespace: "ml", sort: "x", open: ["a"] }, "nodes")).toEqual({ ...HOME, view: "nodes", query: "gpu", namespace: "ml" });
});

it("opens, closes, and keeps the latest of many", () => {
  expect([toggled(["a"], "b"), toggled(["a", "b"], "a")]).toEqual([["a", "b"], ["b"]]);
  expect(toggled(Array.from({ length: 20 }, (_, index) => `${index}`), "x")).toHaveLength(20);
});
