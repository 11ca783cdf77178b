import { expect, it } from "vitest";
import { aPull } from "../testing/pulls";
import { matches } from "./filter";

const pull = aPull({
  pods: [{ namespace: "shop", podName: "api-0", container: "web", image: "x" }],
  imageCandidates: ["docker.io/library/nginx:1.26"],
  stale: true,
});

it.each(["", "  ", "NGINX", "1.26", "worker-1", "shop/api-0", "web", "downloading", "silent", "nginx worker"])(
  "finds a pull by %o",
  (filter) => {
    expect(matches(pull, filter)).toBe(true);
  },
);

it("wants every word", () => {
  expect(matches(pull, "nginx worker-2")).toBe(false);
});
