// @vitest-environment jsdom
import "../testing/dom";
import { act, fireEvent, render, screen, within } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { steadyNowMs } from "../data/clock";
import { FakeServer, MIB, wireNeed, wirePod, wirePull } from "../testing/pulls";
import { App } from "./App";
import { LiveProvider } from "../data/Live";
import { PlaceProvider } from "../data/Place";
import { ThemeProvider } from "../ui/Theme";

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

beforeEach(() => {
  vi.useFakeTimers();
  server = new FakeServer();
});

afterEach(() => vi.useRealTimers());

function open(search = "") {
  history.replaceState(null, "", `/prefix/${search}`);
  return render(
    <ThemeProvider>
      <PlaceProvider>
        <LiveProvider seams={server}>
          <App />
        </LiveProvider>
      </PlaceProvider>
    </ThemeProvider>,
  );
}

/** Lets the server speak, and the page take it in. */
function hear(speak: () => void) {
  act(() => {
    speak();
    vi.advanceTimersByTime(250);
  });
}

function pass(milliseconds: number) {
  act(() => void vi.advanceTimersByTime(milliseconds));
}

type Fields = Record<string, unknown>;

function snapshot(pulls: Fields[], pods: Fields[] = []) {
  hear(() => server.connection.sendSnapshot(pulls.map(wirePull), { pods: pods.map(wirePod) }));
}

const row = (name: RegExp | string) => screen.getByRole("listitem", { name });
const press = (key: string) => fireEvent.keyDown(document.activeElement ?? document.body, { key });
const fill = (bar: HTMLElement, name: string) => bar.querySelector<HTMLElement>(`[data-fill="${name}"]`)?.style.transform;
const soon = (seconds: number) => new Date(steadyNowMs() + seconds * 1000).toISOString();

describe("Waiting", () => {
  it("says of each pod in one sentence when it is ready and what it waits for", () => {
    open();
    snapshot([{}], [{ etaSeconds: 40 }]);
    expect(row(/web-7d9 ready in about 40 s, waiting for nginx:1.27 on worker-1/)).toBeTruthy();
    expect(screen.getByText("1 pod waits for images")).toBeTruthy();
    expect(screen.getByText("Ready in about 40 s.")).toBeTruthy();
    pass(20_000);
    expect(screen.getByText("Ready in about 20 s.")).toBeTruthy();
  });

  it("puts pods under what they belong to, with how many of them are ready", () => {
    open();
    snapshot([], [{ podName: "web-1" }, { podName: "web-2", state: "ready", images: [] }]);
    const head = within(row("Deployment shop/web"));
    expect(head.getByText("1 of 2 ready")).toBeTruthy();
    expect(screen.queryByText("web-2")).toBeNull();
    fireEvent.click(head.getByRole("button", { name: /All pods/ }));
    expect(screen.getByText("web-2")).toBeTruthy();
    expect(location.search).toBe("?open=shop/Deployment/web");
  });

  it("shows the images of a pod on demand, with a jump to the pull and to what is in front", () => {
    open();
    const queued = wireNeed({ container: "proxy", image: "proxy:1", state: "queued", pullId: "", behind: [{ image: "pytorch:2.4", pullId: "other" }] });
    snapshot([{}, { id: "other", imageRef: "docker.io/pytorch/pytorch:2.4" }], [{ images: [wireNeed(), queued], moreImages: 12 }]);
    fireEvent.click(screen.getByRole("button", { name: "Images of pod shop/web-7d9" }));
    const images = within(screen.getByRole("list", { name: "Images of shop/web-7d9" }));
    expect(images.getAllByRole("listitem")).toHaveLength(2);
    expect(screen.getByText("and 12 more images")).toBeTruthy();
    fireEvent.click(images.getByRole("button", { name: "Behind pytorch:2.4" }));
    expect(location.search).toBe("?view=pulls&open=other");
    expect(screen.getByRole("button", { name: "Layers of docker.io/pytorch/pytorch:2.4 on worker-1" }).getAttribute("aria-expanded")).toBe("true");
  });

  it("says why a pod cannot start, what to do, and when it is tried again", () => {
    open();
    const failure = { reason: "not_found", message: "manifest unknown", advice: "Push the tag, or correct it.", tries: 3, retryAt: soon(12) };
    snapshot([], [{ state: "failing", images: [wireNeed({ state: "failed", failure })] }]);
    const problem = within(screen.getByRole("region", { name: "What is wrong" }));
    expect(problem.getByRole("listitem").textContent).toContain("nginx:1.27 was not found in the registry, on worker-1. Push the tag, or correct it. 1 pod waits for it · next try in 1");
    fireEvent.click(problem.getByRole("button", { name: "Show nginx:1.27" }));
    expect(screen.getByText("manifest unknown")).toBeTruthy();
    expect(screen.getByRole("button", { name: "Copy the message" })).toBeTruthy();
    expect(screen.getByText("kubectl -n shop describe pod web-7d9")).toBeTruthy();
  });

  it("works with a server that says nothing of pods", () => {
    open();
    hear(() => server.connection.sendSnapshot([wirePull({ pods: [{ namespace: "ml", podName: "llm-0", container: "llm", image: "nginx:1.27" }] })]));
    expect(row(/llm-0 ready in about 1 min, waiting for nginx:1.27 on worker-1/)).toBeTruthy();
  });
});

describe("Pulls", () => {
  const openPulls = (...pulls: Fields[]) => {
    open("?view=pulls");
    snapshot(pulls);
  };

  it("says what, where, how far, how fast and how long still", () => {
    openPulls({ cachedBytes: 120 * MIB, bytesPerSec: 34 * MIB, etaSeconds: 40 });
    const shown = within(row("docker.io/library/nginx:1.27 on worker-1"));
    expect(shown.getByText("Downloading").title).toBe("Layers are on their way to the node.");
    expect(shown.getByText("34 MiB/s")).toBeTruthy();
    expect(shown.getByText("about 40 s")).toBeTruthy();
    const bar = shown.getByRole("progressbar");
    expect(bar.getAttribute("aria-valuenow")).toBe("40");
    expect(bar.getAttribute("aria-valuetext")).toBe("Downloading, 400 MiB fetched / 1000 MiB, 120 MiB cached");
  });

  it("draws what is unpacked within what is fetched, and moves on by the rate until the connection is lost", () => {
    openPulls({ unpackedBytes: 250 * MIB });
    const bar = screen.getByRole("progressbar");
    pass(2000);
    expect([fill(bar, "downloaded"), fill(bar, "unpacked")]).toEqual(["translateX(-60%)", "translateX(-75%)"]);
    expect(fill(bar, "estimated")).toMatch(/translateX\(-5[78]/);
    hear(() => server.connection.breakOff());
    const frozen = fill(bar, "estimated");
    pass(5000);
    expect(fill(bar, "estimated")).toBe(frozen);
  });

  it("has a bar without a number until the size is known", () => {
    openPulls({ totalKnown: false, totalBytes: 0, downloadedBytes: 0, phase: "resolving", imageRef: "", nameKnown: false });
    expect(screen.getByText("size not known yet")).toBeTruthy();
    expect(screen.getByRole("progressbar").hasAttribute("aria-valuenow")).toBe(false);
  });

  it("shows the layers on demand", () => {
    openPulls({
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

  it("says that an agent is silent, that bytes went back, and that nothing moves", () => {
    openPulls({ id: "a", stale: true }, { id: "b", nodeName: "worker-2" }, { id: "c", nodeName: "worker-3", bytesPerSec: 0 });
    hear(() => server.connection.send("pull.progress", wirePull({ id: "b", nodeName: "worker-2", downloadedBytes: 100 * MIB })));
    pass(43_000);
    expect(within(row(/worker-1/)).getByText("agent silent")).toBeTruthy();
    expect(within(row(/worker-2/)).getByText("went back from 400 MiB")).toBeTruthy();
    expect(within(row(/worker-3/)).getByText(/no byte for 4\d s/)).toBeTruthy();
    expect(screen.getByText(/The last byte came/).textContent).toMatch(/came 4\d s ago/);
  });

  it("sorts by a column, and moves no row from under the pointer", () => {
    openPulls({ id: "a", nodeName: "b-node", startedAt: "2026-11-23T15:04:01Z" }, { id: "b", nodeName: "a-node", startedAt: "2026-11-23T15:04:02Z" });
    const nodes = () => screen.getAllByRole("listitem", { name: / on / }).map((item) => item.getAttribute("aria-label")?.split(" on ")[1]);
    expect(nodes()).toEqual(["b-node", "a-node"]);
    fireEvent.click(screen.getByTitle("Sort by node"));
    expect([nodes(), location.search]).toEqual([["a-node", "b-node"], "?view=pulls&sort=node"]);
    fireEvent.pointerMove(row(/a-node/), { pointerType: "mouse" });
    hear(() => server.connection.send("pull.progress", wirePull({ id: "c", nodeName: "0-node" })));
    expect(nodes()).toEqual(["a-node", "b-node", "0-node"]);
    fireEvent.pointerLeave(row(/a-node/).parentElement?.parentElement ?? document.body);
    hear(() => server.connection.send("pull.removed", wirePull({ id: "b" })));
    expect(nodes()).toEqual(["0-node", "b-node"]);
  });
});

describe("History", () => {
  it("has what ended, how long it took, and why it failed", () => {
    open("?view=history");
    snapshot([
      { id: "a", phase: "completed", completedAt: "2026-11-23T15:04:53.000Z" },
      { id: "b", nodeName: "worker-2", phase: "failed", completedAt: "2026-11-23T15:04:15.000Z", failure: { reason: "not_found", message: "m" } },
      { id: "c", nodeName: "worker-3", phase: "unknown", completedAt: "2026-11-23T15:04:15.000Z" },
    ]);
    expect(within(row(/worker-1/)).getByText("48 s")).toBeTruthy();
    expect(within(row(/worker-2/)).getByText("It was not found in the registry.")).toBeTruthy();
    expect(within(row(/worker-2/)).getByText("400 MiB of 1000 MiB")).toBeTruthy();
    expect(within(row(/worker-3/)).getByText("Unknown").title).toBe("The pull ended while nobody could see how.");
    fireEvent.click(within(screen.getByRole("group", { name: "State" })).getByText("Failed"));
    expect(screen.queryByRole("listitem", { name: /worker-1/ })).toBeNull();
  });
});

describe("Nodes and Roll-out", () => {
  it("has a lane for each node, with what runs, what is queued, and when it was heard", async () => {
    server.nodes = [{ nodeName: "worker-1", lastReportSeconds: 3, bytesPerSec: 10 * MIB, pulling: 1, queued: 1 }, { nodeName: "idle-1" }];
    open("?view=nodes");
    snapshot([{ startedAt: soon(-60) }], [{ images: [wireNeed({ image: "redis:7", state: "queued", pullId: "", etaSeconds: 90 })] }]);
    await act(() => vi.advanceTimersByTimeAsync(5500));
    const lane = within(screen.getByRole("list", { name: "Pulls of worker-1 over time" }));
    expect(lane.getByRole("img", { name: /^nginx:1.27: downloading for 1 min, about .* left/ })).toBeTruthy();
    expect(lane.getByRole("img", { name: /^redis:7: queued, there in about 1 min/ })).toBeTruthy();
    expect(within(row("worker-1")).getByText("1 pulling · 1 queued")).toBeTruthy();
    expect(within(row("idle-1")).getByText("idle")).toBeTruthy();
  });

  it("has a line for each node of the workload, the slowest first", () => {
    open("?view=rollout&workload=shop/Deployment/web");
    snapshot([{}], [{ podName: "web-1", nodeName: "fast", state: "ready", images: [] }, { podName: "web-2", nodeName: "slow" }]);
    expect(screen.getByText("1 of 2 nodes ready")).toBeTruthy();
    const lines = within(screen.getByRole("list", { name: "Nodes of web, the slowest first" })).getAllByRole("listitem");
    expect(lines.map((line) => line.getAttribute("aria-label"))).toEqual(["slow", "fast"]);
  });
});

describe("how fresh it is", () => {
  it("keeps the last rows while the connection is lost, says since when, and goes on when it is back", () => {
    open("?view=pulls");
    snapshot([{ id: "a" }]);
    expect(screen.getByText("Live")).toBeTruthy();
    hear(() => server.connection.refuse());
    expect(screen.getByText(/^Reconnecting/)).toBeTruthy();
    expect(screen.getByText(/data as of/)).toBeTruthy();
    for (let attempt = 0; attempt < 4; attempt += 1) {
      pass(10_000);
      if (server.connection.readyState === 0) hear(() => server.connection.refuse());
    }
    expect(row(/nginx/)).toBeTruthy();
    expect(screen.getByText(/No connection to the server for 4\d s/)).toBeTruthy();
    pass(15_000);
    snapshot([{ id: "b", imageRef: "docker.io/library/redis:7" }]);
    expect(screen.queryByText(/No connection/)).toBeNull();
    expect(screen.queryByRole("listitem", { name: /nginx/ })).toBeNull();
    expect(row(/redis/)).toBeTruthy();
  });

  it("holds still while paused, and shows all that has happened when it goes on", () => {
    open("?view=pulls");
    snapshot([{ id: "a" }]);
    fireEvent.click(screen.getByRole("button", { name: "Pause" }));
    expect(screen.getByText("Paused")).toBeTruthy();
    hear(() => server.connection.send("pull.started", wirePull({ id: "b", nodeName: "worker-2" })));
    expect(screen.queryByRole("listitem", { name: /worker-2/ })).toBeNull();
    press("p");
    expect(row(/worker-2/)).toBeTruthy();
  });

  it("says that the server has not read the cluster yet, which is not the same as quiet", () => {
    open();
    expect(screen.getByText("Loading")).toBeTruthy();
    hear(() => server.connection.sendSnapshot([], { synced: false }));
    expect(screen.getByText("Nothing known yet")).toBeTruthy();
    expect(screen.getByText("Server is starting")).toBeTruthy();
    snapshot([]);
    expect(screen.getByText("No pod waits for an image. One that does appears here by itself.")).toBeTruthy();
  });

  it("says that the server does not answer", () => {
    open();
    hear(() => server.connection.refuse());
    expect(screen.getByText("The server does not answer")).toBeTruthy();
  });

  it("says that no agent reports, and how to see why", async () => {
    server.nodes = [];
    open();
    snapshot([]);
    await act(() => vi.advanceTimersByTimeAsync(5500));
    expect(screen.getByText("No agent reports")).toBeTruthy();
    expect(screen.getByText(/^kubectl get daemonsets,pods/)).toBeTruthy();
  });
});

describe("search and keys", () => {
  const search = () => screen.getByRole<HTMLInputElement>("searchbox", { name: "Search" });

  it("leaves the rows that fit, keeps it in the address, and offers a way back", () => {
    open("?view=pulls");
    snapshot([{ id: "a" }, { id: "b", imageRef: "redis:7" }]);
    press("/");
    expect(document.activeElement).toBe(search());
    fireEvent.change(search(), { target: { value: "redis" } });
    expect(screen.getAllByRole("listitem", { name: / on / })).toHaveLength(1);
    expect(location.search).toBe("?view=pulls&q=redis");
    fireEvent.change(search(), { target: { value: "nowhere" } });
    expect(screen.getByText("Hidden by the filter")).toBeTruthy();
    fireEvent.click(screen.getAllByRole("button", { name: "Clear the filter" })[0] ?? document.body);
    expect(row(/nginx/)).toBeTruthy();
  });

  it("goes from view to view and from row to row without a pointer", () => {
    open();
    snapshot([{ id: "a" }, { id: "b", nodeName: "worker-2" }]);
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
    expect(screen.getByRole("dialog").textContent).toContain("Single keys do something");
  });

  it("leaves single keys alone when they were switched off", () => {
    localStorage.setItem("pulltrace-keys-off", "yes");
    open();
    press("2");
    expect(location.search).toBe("");
  });

  it("opens what the address names", () => {
    open("?view=pulls&q=nginx&open=a");
    snapshot([{ id: "a" }, { id: "b", imageRef: "redis:7" }]);
    expect(search().value).toBe("nginx");
    expect(screen.getByRole("button", { name: /^Layers of/ }).getAttribute("aria-expanded")).toBe("true");
  });

  it("keeps the reader's choice of colours", () => {
    const { unmount } = open();
    press("t");
    expect(document.documentElement.dataset.theme).toBe("light");
    unmount();
    open();
    expect(document.documentElement.dataset.theme).toBe("light");
  });
});

describe("text from the server", () => {
  it("is shown as text, whatever it holds", () => {
    const markup = '<img src=x onerror="alert(1)"><script>alert(1)</script>';
    const pod = { namespace: markup, podName: markup, container: "javascript:alert(1)", image: markup };
    const failure = { reason: markup, message: markup, advice: markup };
    for (const view of ["waiting", "pulls", "nodes", "rollout", "history"]) {
      const { unmount } = open(`?view=${view}&open=a&open=b&open=${encodeURIComponent(`${markup}/${markup}`)}`);
      snapshot(
        [{ id: "a", imageRef: `javascript:alert(1)//${markup}`, nodeName: markup, pods: [pod] }, { id: "b", phase: "failed", failure, imageRef: markup, nodeName: markup }],
        [{ ...pod, nodeName: markup, workload: { namespace: markup, kind: markup, name: markup }, state: "failing", images: [wireNeed({ image: markup, state: "failed", failure })] }],
      );
      expect(document.querySelectorAll("img, script, iframe, a:not([href='#main'])")).toHaveLength(0);
      expect(screen.getAllByText(markup, { exact: false }).length).toBeGreaterThan(1);
      expect(document.body.textContent).not.toContain("kubectl");
      unmount();
    }
  });
});

it("draws no more of a great many rows than are in the window", () => {
  open("?view=pulls");
  snapshot(Array.from({ length: 500 }, (_, n) => ({ id: `pull-${n}`, nodeName: `worker-${n}` })));
  expect(document.querySelectorAll("[role=progressbar]").length).toBeLessThan(60);
});

it("tells screen readers what became ready and what moved on, and not what was there at first", () => {
  open();
  snapshot([{}], [{}]);
  pass(3000);
  const status = screen.getByRole("status");
  expect(status.textContent).toBe("");
  hear(() => server.connection.send("pull.progress", wirePull({ phase: "unpacking" })));
  hear(() => server.connection.sendPod("pod.ready", wirePod({ state: "ready", images: [] })));
  pass(3000);
  expect(status.textContent).toBe("Pod web-7d9 has its images. docker.io/library/nginx:1.27 on worker-1: unpacking");
});

it("has the number of waiting pods in its title", () => {
  open("?view=nodes");
  snapshot([], [{ podName: "a" }, { podName: "b", state: "failing" }]);
  expect(document.title).toBe("(2) Nodes · Pulltrace");
});
