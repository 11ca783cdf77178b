// The whole page in jsdom with a server that a test drives: import it beside `@vitest-environment jsdom`.
import { act, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, vi } from "vitest";
import { App } from "../app/App";
import { steadyNowMs } from "../data/clock";
import { Feed } from "../data/feed";
import { Store } from "../data/store";
import { StoreContext } from "../data/useStore";
import { FakeServer, wirePod, wirePull } from "./builders";
import "./dom";

// jsdom has no canvas; tests in a real browser draw the curves.
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

export let server: FakeServer;
let stop: () => void;

beforeEach(() => {
  vi.useFakeTimers();
  server = new FakeServer();
});

afterEach(() => {
  stop();
  vi.useRealTimers();
});

/** Open the page at an address. */
export function open(search = "") {
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
export function receive(send: () => void) {
  return act(async () => {
    send();
    await vi.advanceTimersByTimeAsync(250);
  });
}

export function pass(milliseconds: number) {
  return act(() => vi.advanceTimersByTimeAsync(milliseconds));
}

type Fields = Record<string, unknown>;

export function snapshot(pulls: Fields[], pods: Fields[] = []) {
  return receive(() => server.connection.sendSnapshot(pulls.map(wirePull), { pods: pods.map(wirePod) }));
}

export const row = (name: RegExp | string) => screen.getByRole("listitem", { name });
export const press = (key: string) => fireEvent.keyDown(document.activeElement ?? document.body, { key });
export const soon = (seconds: number) => new Date(steadyNowMs() + seconds * 1000).toISOString();
