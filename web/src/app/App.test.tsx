// @vitest-environment jsdom
import { act, fireEvent, screen } from "@testing-library/react";
import { describe, expect, it, vi } from "vitest";
import { wireImage, wirePod, wirePull } from "../testing/builders";
import { open, pass, press, receive, row, server, snapshot } from "../testing/page";

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
