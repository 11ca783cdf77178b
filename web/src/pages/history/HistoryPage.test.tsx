// @vitest-environment jsdom
import { fireEvent, screen, within } from "@testing-library/react";
import { expect, it } from "vitest";
import { open, row, snapshot } from "../../testing/page";

it("has ended pulls, their durations, and the reasons of failures", async () => {
  open("?view=history");
  await snapshot([
    { id: "a", phase: "completed", completedAt: "2026-11-23T15:04:53.000Z" },
    { id: "b", nodeName: "worker-2", phase: "failed", completedAt: "2026-11-23T15:04:15.000Z", failure: { reason: "not_found", message: "m" } },
    { id: "c", nodeName: "worker-3", phase: "unknown", completedAt: "2026-11-23T15:04:15.000Z" },
  ]);
  expect(within(row(/worker-1/)).getByText("48 s")).toBeTruthy();
  expect(within(row(/worker-2/)).getByText("It was not found in the registry.")).toBeTruthy();
  expect(within(row(/worker-2/)).getByText("400 MiB of 1.0 GiB")).toBeTruthy();
  expect(within(row(/worker-3/)).getByText("Unknown").title).toBe("The pull ended without a reported outcome.");
  fireEvent.click(within(screen.getByRole("group", { name: "State" })).getByText("Failed"));
  expect(screen.queryByRole("listitem", { name: /worker-1/ })).toBeNull();
});
