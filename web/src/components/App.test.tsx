import { act, fireEvent, render, screen, within } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FakeServer, MIB, wirePull } from "../testing/pulls";
import { App } from "./App";
import { PullsProvider } from "./PullsProvider";

let server: FakeServer;

beforeEach(() => {
  vi.useFakeTimers();
  server = new FakeServer();
  render(
    <PullsProvider seams={server}>
      <App />
    </PullsProvider>,
  );
});

afterEach(() => vi.useRealTimers());

/** Lets the server speak, and the page take it in. */
function hear(speak: () => void) {
  act(() => {
    speak();
    vi.advanceTimersByTime(100);
  });
}

function pass(milliseconds: number) {
  act(() => void vi.advanceTimersByTime(milliseconds));
}

const snapshot = (...pulls: Record<string, unknown>[]) => hear(() => server.connection.sendSnapshot(pulls.map(wirePull)));
const row = (name: RegExp | string) => screen.getByRole("listitem", { name });
const fill = (bar: HTMLElement, name: string) => bar.querySelector<HTMLElement>(`[data-fill="${name}"]`)?.style.transform;

describe("the stream", () => {
  it("fills the page with a snapshot and moves it on with changes", () => {
    snapshot({ id: "a" });
    hear(() => server.connection.send("pull.progress", wirePull({ id: "a", downloadedBytes: 500 * MIB })));
    hear(() => server.connection.send("pull.started", wirePull({ id: "b", nodeName: "worker-2" })));
    expect(within(row(/on worker-1/)).getByText("500 MiB of 1000 MiB")).toBeTruthy();
    expect(row(/on worker-2/)).toBeTruthy();
    hear(() => server.connection.send("pull.removed", wirePull({ id: "b" })));
    expect(screen.queryByRole("listitem", { name: /on worker-2/ })).toBeNull();
  });

  it("gathers changes of a tenth of a second", () => {
    snapshot({ id: "a" });
    act(() => {
      server.connection.send("pull.progress", wirePull({ id: "a", downloadedBytes: 500 * MIB }));
      vi.advanceTimersByTime(50);
    });
    expect(screen.queryByText("500 MiB of 1000 MiB")).toBeNull();
    pass(50);
    expect(screen.getByText("500 MiB of 1000 MiB")).toBeTruthy();
  });

  it("keeps the last rows while the connection is lost, says since when, and replaces them when it is back", () => {
    snapshot({ id: "a" });
    expect(screen.getByText("Live")).toBeTruthy();
    hear(() => server.connection.refuse());
    expect(screen.getByText(/Reconnecting/)).toBeTruthy();
    expect(row(/nginx/)).toBeTruthy();

    // Every attempt fails for a while.
    for (let attempt = 0; attempt < 4; attempt += 1) {
      pass(10_000);
      if (server.connection.readyState === 0) hear(() => server.connection.refuse());
    }
    expect(screen.getByText(/No connection to the server for 4\d s/)).toBeTruthy();

    pass(15_000);
    snapshot({ id: "b", imageRef: "docker.io/library/redis:7" });
    expect(screen.getByText("Live")).toBeTruthy();
    expect(screen.queryByText(/No connection/)).toBeNull();
    expect(screen.queryByRole("listitem", { name: /nginx/ })).toBeNull();
    expect(row(/redis/)).toBeTruthy();
  });
});

describe("a running pull", () => {
  it("says what, where, how far, how fast and how long still", () => {
    snapshot({ cachedBytes: 120 * MIB, bytesPerSec: 34 * MIB, etaSeconds: 40 });
    const shown = within(row("docker.io/library/nginx:1.27 on worker-1"));
    expect(shown.getByText("Downloading").title).toBe("Layers are on their way to the node.");
    expect(shown.getByText("34 MiB/s")).toBeTruthy();
    expect(shown.getByText("about 40 s")).toBeTruthy();
    const bar = shown.getByRole("progressbar", { name: "Progress of docker.io/library/nginx:1.27 on worker-1" });
    expect(bar.getAttribute("aria-valuenow")).toBe("40");
    expect(bar.getAttribute("aria-valuetext")).toBe("Downloading, 400 MiB of 1000 MiB, 120 MiB cached");
  });

  it("draws what is unpacked within what is downloaded", () => {
    snapshot({ downloadedBytes: 600 * MIB, unpackedBytes: 250 * MIB });
    const bar = screen.getByRole("progressbar");
    expect([fill(bar, "downloaded"), fill(bar, "unpacked")]).toEqual(["translateX(-40%)", "translateX(-75%)"]);
  });

  it("moves on by its rate between reports, as an estimate only, and stops when the connection is lost", () => {
    snapshot({});
    pass(2000);
    const bar = screen.getByRole("progressbar");
    const estimated = fill(bar, "estimated");
    expect(estimated).toMatch(/translateX\(-(57|58)/);
    expect(fill(bar, "downloaded")).toBe("translateX(-60%)");

    hear(() => server.connection.breakOff());
    const frozen = fill(bar, "estimated");
    pass(5000);
    expect(fill(bar, "estimated")).toBe(frozen);
  });

  it("has a bar without a number until the size is known", () => {
    snapshot({ totalKnown: false, totalBytes: 0, downloadedBytes: 0, phase: "resolving", imageRef: "", nameKnown: false });
    expect(screen.getByText("size not known yet")).toBeTruthy();
    expect(screen.getByText("resolving…")).toBeTruthy();
    expect(screen.getByRole("progressbar").hasAttribute("aria-valuenow")).toBe(false);
  });

  it("shows the layers on demand", () => {
    snapshot({
      layerCount: 5,
      layers: [
        { digest: "sha256:aaaaaaaaaaaa", state: "cached", totalBytes: 5 * MIB, downloadedBytes: 5 * MIB, totalKnown: true },
        { digest: "sha256:bbbbbbbbbbbb", state: "downloading", totalBytes: 20 * MIB, downloadedBytes: 15 * MIB, totalKnown: true },
      ],
    });
    expect(screen.queryByRole("list", { name: "Layers" })).toBeNull();
    const button = screen.getByRole("button", { name: /^Layers of/ });
    fireEvent.click(button);
    expect(button.getAttribute("aria-expanded")).toBe("true");
    const [cached, downloading] = within(screen.getByRole("list", { name: "Layers" })).getAllByRole("listitem");
    expect(cached?.textContent).toBe("aaaaaaaaaaaaCached5.0 MiB");
    expect(downloading?.textContent).toBe("bbbbbbbbbbbbDownloading15 MiB of 20 MiB");
    expect(screen.getByText("3 more layers not listed.")).toBeTruthy();
    fireEvent.click(button);
    expect(screen.queryByRole("list", { name: "Layers" })).toBeNull();
  });

  it("shows the first two waiting containers, and the others when asked", () => {
    const pods = [1, 2, 3, 4].map((n) => ({ namespace: "shop", podName: `api-${n}`, container: "web", image: "x" }));
    snapshot({ pods });
    const names = () => within(screen.getByRole("list", { name: "Waiting pods" })).getAllByRole("listitem").map((item) => item.textContent);
    expect(names()).toEqual(["shop/api-1 · web", "shop/api-2 · web"]);
    fireEvent.click(screen.getByRole("button", { name: "+ 2 more" }));
    expect(names()).toHaveLength(4);
  });

  it("says when its agent is silent, and shows no rate and no time left then", () => {
    snapshot({ stale: true });
    expect(screen.getByText("agent silent")).toBeTruthy();
    expect(screen.queryByText(/\/s$|about/, { selector: "li *" })).toBeNull();
  });

  it("says when bytes went back", () => {
    snapshot({});
    hear(() => server.connection.send("pull.progress", wirePull({ downloadedBytes: 100 * MIB })));
    expect(screen.getByText("went back from 400 MiB")).toBeTruthy();
  });
});

describe("ended pulls", () => {
  const ended = () => within(screen.getByRole("region", { name: "Finished and failed" }));

  it("move to their own section with size and duration", () => {
    snapshot({});
    hear(() =>
      server.connection.send("pull.completed", wirePull({ phase: "completed", completedAt: "2026-11-23T15:04:53.000Z" })),
    );
    expect(ended().getByText("Completed")).toBeTruthy();
    expect(ended().getByText("1000 MiB in 48 s")).toBeTruthy();
    expect(screen.queryByRole("progressbar")).toBeNull();
  });

  it("say why they failed and how far they came", () => {
    snapshot({ phase: "failed", completedAt: "2026-11-23T15:04:15.000Z", error: "manifest unknown" });
    expect(ended().getByText("Failed")).toBeTruthy();
    expect(ended().getByText("400 MiB of 1000 MiB after 10 s")).toBeTruthy();
    expect(ended().getByText("manifest unknown")).toBeTruthy();
  });

  it("are not called a success when nobody saw the end", () => {
    snapshot({ phase: "unknown", completedAt: "2026-11-23T15:04:15.000Z" });
    expect(ended().getByText("Unknown").title).toBe("The pull ended while nobody could see how.");
  });
});

describe("text from the server", () => {
  it("is shown as text, whatever it holds", () => {
    const markup = '<img src=x onerror="alert(1)"><script>alert(1)</script>';
    const pod = { namespace: markup, podName: markup, container: "javascript:alert(1)", image: markup };
    snapshot(
      { id: "a", imageRef: `javascript:alert(1)//${markup}`, nodeName: markup, pods: [pod] },
      { id: "b", phase: "failed", error: markup, imageRef: markup },
    );
    fireEvent.click(screen.getByRole("button", { name: /^Layers of/ }));
    expect(document.querySelectorAll("img, script, a, iframe")).toHaveLength(0);
    expect(screen.getAllByText(markup, { exact: false }).length).toBeGreaterThan(2);
  });
});

describe("the header", () => {
  const counted = (label: string) => screen.getByText(label).parentElement?.querySelector("dd")?.textContent;

  it("counts pulls, waiting pods and failures", () => {
    const pods = [{ namespace: "shop", podName: "api-0", container: "web", image: "x" }];
    snapshot({ id: "a", pods }, { id: "b" }, { id: "c", phase: "failed" });
    expect([counted("pulling"), counted("pod waiting"), counted("failed")]).toEqual(["2", "1", "1"]);
    expect(document.title).toBe("2 pulling · Pulltrace");
  });

  it("does not say zero before anything is known", () => {
    expect(counted("pulling")).toBe("–");
  });
});

describe("an empty page", () => {
  it("says that it is loading before the first snapshot", () => {
    expect(screen.getByText("Loading")).toBeTruthy();
  });

  it("says that the server does not answer", () => {
    hear(() => server.connection.refuse());
    expect(screen.getByText("The server does not answer")).toBeTruthy();
  });

  it("says that the server has not read the cluster yet, which is not the same as quiet", () => {
    hear(() => server.connection.sendSnapshot([], false));
    expect(screen.getByText("The server is still reading the cluster")).toBeTruthy();
    expect(screen.queryByText("All quiet")).toBeNull();
    snapshot();
    expect(screen.getByText("All quiet")).toBeTruthy();
  });
});

describe("the filter", () => {
  const type = (value: string) => fireEvent.change(screen.getByRole("searchbox", { name: "Filter pulls" }), { target: { value } });

  it("leaves the rows that match, in both sections", () => {
    snapshot({ id: "a" }, { id: "b", imageRef: "redis:7" }, { id: "c", imageRef: "redis:6", phase: "failed" }, { id: "d", phase: "failed" });
    type("redis");
    expect(screen.getAllByRole("listitem", { name: / on / }).map((item) => item.getAttribute("aria-label"))).toEqual([
      "redis:7 on worker-1",
      "redis:6 on worker-1",
    ]);
  });

  it("offers a way back when nothing matches", () => {
    snapshot({});
    type("nowhere");
    fireEvent.click(screen.getByRole("button", { name: "Clear the filter" }));
    expect(row(/nginx/)).toBeTruthy();
  });

  it("is reached with the slash key", () => {
    fireEvent.keyDown(document.body, { key: "/" });
    expect(document.activeElement).toBe(screen.getByRole("searchbox"));
  });
});

it("draws a hundred rows of a great many, and more when asked", () => {
  snapshot(...Array.from({ length: 250 }, (_, n) => ({ id: `pull-${n}`, nodeName: `worker-${n}` })));
  // Asking by role of so many elements takes jsdom seconds.
  const bars = () => document.querySelectorAll("[role=progressbar]").length;
  expect(bars()).toBe(100);
  fireEvent.click(screen.getByText("Show 100 more of 150"));
  expect(bars()).toBe(200);
});

it("tells screen readers of changes of phase, and not of what was there at first", () => {
  snapshot({});
  pass(3000);
  expect(screen.getByRole("status").textContent).toBe("");
  hear(() => server.connection.send("pull.progress", wirePull({ phase: "unpacking" })));
  pass(3000);
  expect(screen.getByRole("status").textContent).toBe("docker.io/library/nginx:1.27 on worker-1: unpacking");
});
