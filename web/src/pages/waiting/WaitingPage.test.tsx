// @vitest-environment jsdom
import { fireEvent, screen, within } from "@testing-library/react";
import { expect, it } from "vitest";
import { wireImage } from "../../testing/builders";
import { open, pass, row, snapshot, soon } from "../../testing/page";

it("has a sentence for each pod: when it is ready, and what it waits for", async () => {
  open();
  await snapshot([{}], [{ etaSeconds: 40 }]);
  expect(row(/web-7d9 ready in about 40 s, waiting for nginx:1.27 on worker-1/)).toBeTruthy();
  expect(screen.getByText("1 pod waiting for images")).toBeTruthy();
  expect(screen.getByText("Ready in about 40 s")).toBeTruthy();
  await pass(20_000);
  expect(screen.getByText("Ready in about 20 s")).toBeTruthy();
});

it("puts pods under their workload, with the number of ready ones", async () => {
  open();
  await snapshot([], [{ podName: "web-1" }, { podName: "web-2", state: "ready", images: [] }]);
  const head = within(row("Deployment shop/web"));
  expect(head.getByText("1 of 2 ready")).toBeTruthy();
  expect(screen.queryByText("web-2")).toBeNull();
  fireEvent.click(head.getByRole("button", { name: /All pods/ }));
  expect(screen.getByText("web-2")).toBeTruthy();
  expect(location.search).toBe("?open=shop/Deployment/web");
});

it("shows the images of a pod on demand, with a jump to the pull and to the one before it", async () => {
  open();
  const queued = wireImage({ container: "proxy", image: "proxy:1", state: "queued", pullId: "", behind: [{ image: "pytorch:2.4", pullId: "other" }] });
  await snapshot([{}, { id: "other", imageRef: "docker.io/pytorch/pytorch:2.4" }], [{ images: [wireImage(), queued], moreImages: 12 }]);
  fireEvent.click(screen.getByRole("button", { name: "Images of pod shop/web-7d9" }));
  const images = within(screen.getByRole("list", { name: "Images of shop/web-7d9" }));
  expect(images.getAllByRole("listitem")).toHaveLength(2);
  expect(screen.getByText("and 12 more images")).toBeTruthy();
  fireEvent.click(images.getByRole("button", { name: "Behind pytorch:2.4" }));
  expect(location.search).toBe("?view=pulls&open=other");
  expect(screen.getByRole("button", { name: "Layers of docker.io/pytorch/pytorch:2.4 on worker-1" }).getAttribute("aria-expanded")).toBe("true");
});

it("has the reason of a failure, advice, and the next retry", async () => {
  open();
  const failure = { reason: "not_found", message: "manifest unknown", advice: "Push the tag, or correct it.", tries: 3, retryAt: soon(12) };
  await snapshot([], [{ state: "failing", images: [wireImage({ state: "failed", failure })] }]);
  const problem = within(screen.getByRole("region", { name: "Problems" }));
  expect(problem.getByRole("listitem").textContent).toContain("nginx:1.27 was not found in the registry, on worker-1. Push the tag, or correct it. 1 pod waiting · retry in 1");
  fireEvent.click(problem.getByRole("button", { name: "Show nginx:1.27" }));
  expect(screen.getByText("manifest unknown")).toBeTruthy();
  expect(screen.getByRole("button", { name: "Copy message" })).toBeTruthy();
  expect(screen.getByText("kubectl -n shop describe pod web-7d9")).toBeTruthy();
});
