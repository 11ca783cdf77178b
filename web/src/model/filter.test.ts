import { expect, it } from "vitest";
import { aPod, aPull } from "../testing/builders";
import { matchesNode, matchesPod, matchesPull } from "./filter";

const pull = aPull({
  pods: [{ namespace: "shop", podName: "api-0", container: "web", image: "x" }],
  imageCandidates: ["docker.io/library/nginx:1.26"],
  stale: true,
});
const filter = (query: string, namespace = "") => ({ query, namespace });

it.each(["", "  ", "NGINX", "1.26", "worker-1", "shop/api-0", "web", "downloading", "not reported", "nginx worker"])("finds a pull by %o", (query) => {
  expect(matchesPull(pull, filter(query))).toBe(true);
});

it("requires every word", () => {
  expect(matchesPull(pull, filter("nginx worker-2"))).toBe(false);
});

it("takes the namespace of a pull from its pods", () => {
  expect([matchesPull(pull, filter("", "shop")), matchesPull(pull, filter("", "ml"))]).toEqual([true, false]);
});

it.each(["shop/web", "deployment", "nginx:1.27", "worker-1", "waiting"])("finds a pod by %o", (query) => {
  expect(matchesPod(aPod(), filter(query, "shop"))).toBe(true);
});

it("finds a node by its name and by its pulls", () => {
  const node = { nodeName: "worker-1", reportedAtMs: 0, stale: false, bytesPerSec: 0, pulling: 1, queued: 0, failing: 0, parallel: false, agentError: "" };
  expect(["worker", "nginx", "redis"].map((query) => matchesNode(node, [pull], filter(query)))).toEqual([true, true, false]);
});
