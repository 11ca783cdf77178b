// @vitest-environment jsdom
import "../testing/dom";
import { act, fireEvent, render, screen, within } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { steadyNowMs } from "../data/clock";
import { Feed } from "../data/feed";
import { Store } from "../data/store";
import { StoreContext } from "../data/useStore";
import { FakeServer, MIB, wireImage, wirePod, wirePull } from "../testing/builders";
import { App } from "./App";

// There is no canvas in jsdom; the real browser's tests draw the curves.
vi.mock("uplot", () => ({
  default: class {
    setData() {}
    setScale() {}
    setSize() {}
    batch(action: () => void) {
      action();
    }
    destroy() {}
  },
}));

let server: FakeServer;
let stop: () => void;

beforeEach(() => {
  vi.useFakeTimers();
  server = new FakeServer();
});

afterEach(() => {
  stop();
  vi.useRealTimers();
});

function open(search = "") {
  history.replaceState(null, "", `/prefix/${search}`);
  const store = new Store((onUpdate) => new Feed(document.baseURI, server).subscribe(onUpdate));
  stop = store.start();
  const { unmount } = render(
    <StoreContext value={store}>
      <App />
    </StoreContext>,
  );
  return {
    close: () => {
      unmount();
      stop();
    },
  };
}

/** Let the server send, and the page draw it. */
function receive(send: () => void) {
  return act(async () => {
    send();
    await vi.advanceTimersByTimeAsync(250);
  });
}

function pass(milliseconds: number) {
  return act(() => vi.advanceTimersByTimeAsync(milliseconds));
}

type Fields = Record<string, unknown>;

function snapshot(pulls: Fields[], pods: Fields[] = []) {
  return receive(() => server.connection.sendSnapshot(pulls.map(wirePull), { pods: pods.map(wirePod) }));
}

const row = (name: RegExp | string) => screen.getByRole("listitem", { name });
const press = (key: string) => fireEvent.keyDown(document.activeElement ?? document.body, { key });
const fill = (bar: HTMLElement, name: string) => bar.querySelector<HTMLElement>(`[data-fill="${name}"]`)?.style.transform;
const soon = (seconds: number) => new Date(steadyNowMs() + seconds * 1000).toISOString();

describe("Waiting", () => {
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
});

describe("Pulls", () => {
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
});

describe("History", () => {
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
});

describe("Nodes and Rollout", () => {
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

  it("has a line for each node of the workload, the slowest first", async () => {
    open("?view=rollout&workload=shop/Deployment/web");
    await snapshot([{}], [{ podName: "web-1", nodeName: "fast", state: "ready", images: [] }, { podName: "web-2", nodeName: "slow" }]);
    expect(screen.getByText("1 of 2 nodes ready")).toBeTruthy();
    const lines = within(screen.getByRole("list", { name: "Nodes of web, slowest first" })).getAllByRole("listitem");
    expect(lines.map((line) => line.getAttribute("aria-label"))).toEqual(["slow", "fast"]);
  });
});

describe("freshness", () => {
  it("keeps the last rows while the connection is lost, with its time, and continues when it is back", async () => {
    open("?view=pulls");
    await snapshot([{ id: "a" }]);
    expect(screen.getByText("Live")).toBeTruthy();
    await receive(() => server.connection.refuse());
    expect(screen.getByText(/^Reconnecting/)).toBeTruthy();
    expect(screen.getByText(/data as of/)).toBeTruthy();
    for (let attempt = 0; attempt < 4; attempt += 1) {
      await pass(10_000);
      if (server.connection.readyState === 0) await receive(() => server.connection.refuse());
    }
    expect(row(/nginx/)).toBeTruthy();
    expect(screen.getByText(/No connection to the server for 4\d s/)).toBeTruthy();
    await pass(15_000);
    await snapshot([{ id: "b", imageRef: "docker.io/library/redis:7" }]);
    expect(screen.queryByText(/No connection/)).toBeNull();
    expect(screen.queryByRole("listitem", { name: /nginx/ })).toBeNull();
    expect(row(/redis/)).toBeTruthy();
  });

  it("does not change while paused, and shows all changes on resume", async () => {
    open("?view=pulls");
    await snapshot([{ id: "a" }]);
    fireEvent.click(screen.getByRole("button", { name: "Pause" }));
    expect(screen.getByText("Paused")).toBeTruthy();
    await receive(() => server.connection.send("pull.started", wirePull({ id: "b", nodeName: "worker-2" })));
    expect(screen.queryByRole("listitem", { name: /worker-2/ })).toBeNull();
    press("p");
    expect(row(/worker-2/)).toBeTruthy();
  });

  it("distinguishes a server that has not read the cluster yet from a quiet cluster", async () => {
    open();
    expect(screen.getByText("Loading")).toBeTruthy();
    await receive(() => server.connection.sendSnapshot([], { synced: false }));
    expect(screen.getByText("No data yet")).toBeTruthy();
    expect(screen.getByText("Server is starting")).toBeTruthy();
    await snapshot([]);
    expect(screen.getByText("No pods waiting for images. A pod appears as soon as it waits for one.")).toBeTruthy();
  });

  it("shows that the server is unreachable", async () => {
    open();
    await receive(() => server.connection.refuse());
    expect(screen.getByText("Server unreachable")).toBeTruthy();
  });

  it("shows that no agent reports, with a command", async () => {
    server.nodes = [];
    open();
    await snapshot([]);
    await act(() => vi.advanceTimersByTimeAsync(5500));
    expect(screen.getByText("No agents reporting")).toBeTruthy();
    expect(screen.getByText(/^kubectl get daemonsets,pods/)).toBeTruthy();
  });
});

describe("search and keys", () => {
  const search = () => screen.getByRole<HTMLInputElement>("searchbox", { name: "Search" });

  it("filters the rows, keeps the search in the address, and clears it", async () => {
    open("?view=pulls");
    await snapshot([{ id: "a" }, { id: "b", imageRef: "redis:7" }]);
    press("/");
    expect(document.activeElement).toBe(search());
    fireEvent.change(search(), { target: { value: "redis" } });
    expect(screen.getAllByRole("listitem", { name: / on / })).toHaveLength(1);
    expect(location.search).toBe("?view=pulls&q=redis");
    fireEvent.change(search(), { target: { value: "nowhere" } });
    expect(screen.getByText(/^No matches for “nowhere”/)).toBeTruthy();
    fireEvent.click(screen.getAllByRole("button", { name: "Clear filter" })[0] ?? document.body);
    expect(row(/nginx/)).toBeTruthy();
  });

  it("moves between views and rows without a pointer", async () => {
    open();
    await snapshot([{ id: "a" }, { id: "b", nodeName: "worker-2" }]);
    press("2");
    expect(location.search).toBe("?view=pulls");
    const toggles = screen.getAllByRole("button", { name: /^Layers of/ });
    for (const toggle of toggles) toggle.getBoundingClientRect = () => new DOMRect(0, 100);
    press("j");
    press("j");
    expect(document.activeElement).toBe(toggles[1]);
    press("k");
    expect(document.activeElement).toBe(toggles[0]);
    press("?");
    expect(screen.getByRole("dialog").textContent).toContain("Enable keyboard shortcuts");
  });

  it("ignores single keys while shortcuts are off", () => {
    localStorage.setItem("pulltrace-keys-off", "yes");
    open();
    press("2");
    expect(location.search).toBe("");
  });

  it("opens the rows in the address", async () => {
    open("?view=pulls&q=nginx&open=a");
    await snapshot([{ id: "a" }, { id: "b", imageRef: "redis:7" }]);
    expect(search().value).toBe("nginx");
    expect(screen.getByRole("button", { name: /^Layers of/ }).getAttribute("aria-expanded")).toBe("true");
  });

  it("keeps the user's theme", () => {
    const { close } = open();
    press("t");
    expect(document.documentElement.dataset.theme).toBe("light");
    close();
    open();
    expect(document.documentElement.dataset.theme).toBe("light");
  });
});

describe("text from the server", () => {
  it("is shown as text, with any content", async () => {
    const markup = '<img src=x onerror="alert(1)"><script>alert(1)</script>';
    const pod = { namespace: markup, podName: markup, container: "javascript:alert(1)", image: markup };
    const failure = { reason: markup, message: markup, advice: markup };
    for (const view of ["waiting", "pulls", "nodes", "rollout", "history"]) {
      const { close } = open(`?view=${view}&open=a&open=b&open=${encodeURIComponent(`${markup}/${markup}`)}`);
      await snapshot(
        [{ id: "a", imageRef: `javascript:alert(1)//${markup}`, nodeName: markup, pods: [pod] }, { id: "b", phase: "failed", failure, imageRef: markup, nodeName: markup }],
        [{ ...pod, nodeName: markup, workload: { namespace: markup, kind: markup, name: markup }, state: "failing", images: [wireImage({ image: markup, state: "failed", failure })] }],
      );
      expect(document.querySelectorAll("img, script, iframe, a:not([href='#main'])")).toHaveLength(0);
      expect(screen.getAllByText(markup, { exact: false }).length).toBeGreaterThan(1);
      expect(document.body.textContent).not.toContain("kubectl");
      close();
    }
  });
});

it("draws only the rows in the window", async () => {
  open("?view=pulls");
  await snapshot(Array.from({ length: 500 }, (_, n) => ({ id: `pull-${n}`, nodeName: `worker-${n}` })));
  expect(document.querySelectorAll("[role=progressbar]").length).toBeLessThan(60);
});

it("announces ready pods and phases to screen readers, not the first snapshot", async () => {
  open();
  await snapshot([{}], [{}]);
  await pass(3000);
  const status = screen.getByRole("status");
  expect(status.textContent).toBe("");
  await receive(() => server.connection.send("pull.progress", wirePull({ phase: "unpacking" })));
  await receive(() => server.connection.sendPod("pod.ready", wirePod({ state: "ready", images: [] })));
  await pass(3000);
  expect(status.textContent).toBe("Images of pod web-7d9 are ready. docker.io/library/nginx:1.27 on worker-1: unpacking");
});

it("has the number of pending pods in its title", async () => {
  open("?view=nodes");
  await snapshot([], [{ podName: "a" }, { podName: "b", state: "failing" }]);
  expect(document.title).toBe("(2) Nodes · Pulltrace");
});
