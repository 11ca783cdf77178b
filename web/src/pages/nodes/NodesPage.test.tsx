// @vitest-environment jsdom
import { act, screen, within } from "@testing-library/react";
import { expect, it, vi } from "vitest";
import { MIB, wireImage } from "../../testing/builders";
import { open, row, server, snapshot, soon } from "../../testing/page";

it("has a lane for each node, with its pulls, its queue, and its last report", async () => {
  server.nodes = [{ nodeName: "worker-1", lastReportSeconds: 3, bytesPerSec: 10 * MIB, pulling: 1, queued: 1 }, { nodeName: "idle-1" }];
  open("?view=nodes");
  await snapshot([{ startedAt: soon(-60) }], [{ images: [wireImage({ image: "redis:7", state: "queued", pullId: "", etaSeconds: 90 })] }]);
  await act(() => vi.advanceTimersByTimeAsync(5500));
  const lane = within(screen.getByRole("list", { name: "Pulls of worker-1 over time" }));
  expect(lane.getByRole("img", { name: /^nginx:1.27: downloading for 1 min, about .* left/ })).toBeTruthy();
  expect(lane.getByRole("img", { name: /^redis:7: queued, ready in about 1 min/ })).toBeTruthy();
  expect(within(row("worker-1")).getByText("1 pulling · 1 queued")).toBeTruthy();
  expect(within(row("idle-1")).getByText("idle")).toBeTruthy();
});
