// @vitest-environment jsdom
import { fireEvent, screen, within } from "@testing-library/react";
import { expect, it } from "vitest";
import { MIB, wirePull } from "../../testing/builders";
import { open, pass, receive, row, server, snapshot } from "../../testing/page";

type Fields = Record<string, unknown>;

const fill = (bar: HTMLElement, name: string) => bar.querySelector<HTMLElement>(`[data-fill="${name}"]`)?.style.transform;

const openPulls = async (...pulls: Fields[]) => {
  open("?view=pulls");
  await snapshot(pulls);
};

it("has image, node, progress, rate and time left", async () => {
  await openPulls({ cachedBytes: 120 * MIB, bytesPerSec: 34 * MIB, etaSeconds: 40 });
  const shown = within(row("docker.io/library/nginx:1.27 on worker-1"));
  expect(shown.getByText("Downloading").title).toBe("Layers are downloading to the node.");
  expect(shown.getByText("34 MiB/s")).toBeTruthy();
  expect(shown.getByText("about 40 s")).toBeTruthy();
  const bar = shown.getByRole("progressbar");
  expect(bar.getAttribute("aria-valuenow")).toBe("40");
  expect(bar.getAttribute("aria-valuetext")).toBe("Downloading, 400 MiB downloaded / 1.0 GiB, 120 MiB cached");
});

it("draws unpacked, downloaded and estimated bytes, and moves on by the rate until the connection is lost", async () => {
  await openPulls({ unpackedBytes: 250 * MIB });
  const bar = screen.getByRole("progressbar");
  await pass(2000);
  expect([fill(bar, "downloaded"), fill(bar, "unpacked")]).toEqual(["translateX(-60%)", "translateX(-75%)"]);
  expect(fill(bar, "estimated")).toMatch(/translateX\(-5[78]/);
  await receive(() => server.connection.breakOff());
  const frozen = fill(bar, "estimated");
  await pass(5000);
  expect(fill(bar, "estimated")).toBe(frozen);
});

it("has a bar without a number until the size is known", async () => {
  await openPulls({ totalKnown: false, totalBytes: 0, downloadedBytes: 0, phase: "resolving", imageRef: "", nameKnown: false });
  expect(screen.getByText("size not known yet")).toBeTruthy();
  expect(screen.getByRole("progressbar").hasAttribute("aria-valuenow")).toBe(false);
});

it("shows the layers on demand", async () => {
  await openPulls({
    layerCount: 5,
    layers: [
      { digest: "sha256:aaaaaaaaaaaa", state: "cached", totalBytes: 5 * MIB, downloadedBytes: 5 * MIB, totalKnown: true },
      { digest: "sha256:bbbbbbbbbbbb", state: "downloading", totalBytes: 20 * MIB, downloadedBytes: 15 * MIB, totalKnown: true },
    ],
  });
  fireEvent.click(screen.getByRole("button", { name: /^Layers of/ }));
  const [cached, downloading] = within(screen.getByRole("list", { name: "Layers" })).getAllByRole("listitem");
  expect(cached?.textContent).toBe("aaaaaaaaaaaaCached5.0 MiB");
  expect(downloading?.textContent).toBe("bbbbbbbbbbbbDownloading15 MiB of 20 MiB");
  expect(screen.getByText("3 more layers not listed.")).toBeTruthy();
});

it("shows a stale report, a restarted layer, and a stalled pull", async () => {
  await openPulls({ id: "a", stale: true }, { id: "b", nodeName: "worker-2" }, { id: "c", nodeName: "worker-3", bytesPerSec: 0 });
  await receive(() => server.connection.send("pull.progress", wirePull({ id: "b", nodeName: "worker-2", downloadedBytes: 100 * MIB })));
  await pass(43_000);
  expect(within(row(/worker-1/)).getByText("agent not reporting")).toBeTruthy();
  expect(within(row(/worker-2/)).getByText("restarted at 400 MiB")).toBeTruthy();
  expect(within(row(/worker-3/)).getByText(/stalled 4\d s/)).toBeTruthy();
  expect(screen.getByText(/No data for/).textContent).toMatch(/for 4\d s/);
});

it("sorts by a column, and moves no row from under the pointer", async () => {
  await openPulls({ id: "a", nodeName: "b-node", startedAt: "2026-11-23T15:04:01Z" }, { id: "b", nodeName: "a-node", startedAt: "2026-11-23T15:04:02Z" });
  const nodes = () => screen.getAllByRole("listitem", { name: / on / }).map((item) => item.getAttribute("aria-label")?.split(" on ")[1]);
  expect(nodes()).toEqual(["b-node", "a-node"]);
  fireEvent.click(screen.getByTitle("Sort by node"));
  expect([nodes(), location.search]).toEqual([["a-node", "b-node"], "?view=pulls&sort=node"]);
  fireEvent.pointerMove(row(/a-node/), { pointerType: "mouse" });
  await receive(() => server.connection.send("pull.progress", wirePull({ id: "c", nodeName: "0-node" })));
  expect(nodes()).toEqual(["a-node", "b-node", "0-node"]);
  fireEvent.pointerLeave(row(/a-node/).parentElement?.parentElement ?? document.body);
  await receive(() => server.connection.send("pull.removed", wirePull({ id: "b" })));
  expect(nodes()).toEqual(["0-node", "b-node"]);
});

it("draws only the rows in the window", async () => {
  open("?view=pulls");
  await snapshot(Array.from({ length: 500 }, (_, n) => ({ id: `pull-${n}`, nodeName: `worker-${n}` })));
  expect(document.querySelectorAll("[role=progressbar]").length).toBeLessThan(60);
});
