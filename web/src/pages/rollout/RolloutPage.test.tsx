// @vitest-environment jsdom
import { screen, within } from "@testing-library/react";
import { expect, it } from "vitest";
import { open, snapshot } from "../../testing/page";

it("has a line for each node of the workload, the slowest first", async () => {
  open("?view=rollout&workload=shop/Deployment/web");
  await snapshot([{}], [{ podName: "web-1", nodeName: "fast", state: "ready", images: [] }, { podName: "web-2", nodeName: "slow" }]);
  expect(screen.getByText("1 of 2 nodes ready")).toBeTruthy();
  const lines = within(screen.getByRole("list", { name: "Nodes of web, slowest first" })).getAllByRole("listitem");
  expect(lines.map((line) => line.getAttribute("aria-label"))).toEqual(["slow", "fast"]);
});
