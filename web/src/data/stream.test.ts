import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FakeServer, wirePull } from "../testing/builders";
import { steadyNowMs } from "./clock";
import type { Connection } from "../model/types";
import type { Change, Snapshot } from "./decode";
import { openStream, retryDelayMs } from "./stream";

const BASE = "http://cluster.test/some/prefix/?view=pulls";

let server: FakeServer;
let messages: (Snapshot | Change)[];
let connections: Connection[];
let close: () => void;

beforeEach(() => {
  vi.useFakeTimers();
  server = new FakeServer();
  messages = [];
  connections = [];
  close = openStream({ onSnapshot: (snapshot) => messages.push(snapshot), onChange: (change) => messages.push(change), onConnection: (state) => connections.push(state) }, BASE, server);
});

afterEach(() => {
  close();
  vi.useRealTimers();
});

it("connects relative to the page, so that any path prefix works", () => {
  expect(server.connection.url).toBe("http://cluster.test/some/prefix/api/v1/events?pods=true");
});

it("is live from the first snapshot", () => {
  server.connection.sendSnapshot([wirePull()]);
  expect(connections).toEqual([{ kind: "live" }]);
  expect(messages).toHaveLength(1);
});

it("passes changes on, and continues after an invalid one", () => {
  server.connection.sendSnapshot([]);
  server.connection.sendText("{not json");
  server.connection.send("pull.removed", wirePull());
  expect(messages.map((message) => ("kind" in message ? message.kind : "snapshot"))).toEqual(["snapshot", "pull-removed"]);
});

describe("a connection that breaks", () => {
  it("is lost since then, over all attempts, until a new snapshot arrives", () => {
    server.connection.sendSnapshot([]);
    vi.advanceTimersByTime(5000);
    const lostAtMs = steadyNowMs();
    server.connection.breakOff();
    vi.advanceTimersByTime(2000);
    server.connection.refuse();
    vi.advanceTimersByTime(1000);
    server.connection.sendSnapshot([]);
    expect(connections).toEqual([{ kind: "live" }, { kind: "lost", sinceMs: lostAtMs }, { kind: "live" }]);
  });

  it("is left to the browser while it retries", () => {
    server.connection.sendSnapshot([]);
    server.connection.breakOff();
    vi.advanceTimersByTime(20_000);
    expect(server.connections).toHaveLength(1);
  });

  it("continues when the browser reconnects to the same replica", () => {
    server.connection.sendSnapshot([]);
    server.connection.breakOff();
    vi.advanceTimersByTime(3000);
    server.connection.sendResumed();
    server.connection.send("pull.started", wirePull());
    expect(connections).toMatchObject([{ kind: "live" }, { kind: "lost" }, { kind: "live" }]);
    expect(messages).toHaveLength(2);
    vi.advanceTimersByTime(59_999);
    expect(server.connections).toHaveLength(1);
  });

  it("does not continue without a snapshot", () => {
    server.connection.breakOff();
    server.connection.sendResumed();
    server.connection.send("pull.started", wirePull());
    expect(connections).toMatchObject([{ kind: "lost" }]);
    expect(messages).toEqual([]);
  });

  it("is replaced when the browser has given up", () => {
    server.connection.refuse();
    vi.advanceTimersByTime(999);
    expect(server.connections).toHaveLength(1);
    vi.advanceTimersByTime(1);
    expect(server.connections).toHaveLength(2);
  });

  it("is retried with growing delays, which a snapshot resets", () => {
    for (const pauseMs of [1000, 2000, 4000, 8000, 15_000, 15_000]) {
      const before = server.connections.length;
      server.connection.refuse();
      vi.advanceTimersByTime(pauseMs - 1);
      expect(server.connections).toHaveLength(before);
      vi.advanceTimersByTime(1);
      expect(server.connections).toHaveLength(before + 1);
    }
    server.connection.sendSnapshot([]);
    const before = server.connections.length;
    server.connection.refuse();
    vi.advanceTimersByTime(1000);
    expect(server.connections).toHaveLength(before + 1);
  });

  it("is ignored once it is replaced", () => {
    const first = server.connection;
    first.refuse();
    vi.advanceTimersByTime(1000);
    first.sendSnapshot([wirePull()]);
    expect(messages).toEqual([]);
  });
});

it("gives up on a connection that sends no snapshot", () => {
  vi.advanceTimersByTime(10_000);
  expect(connections).toMatchObject([{ kind: "lost" }]);
  vi.advanceTimersByTime(1000);
  expect(server.connections).toHaveLength(2);
});

it("renews a silent connection without a word, because a dead one is silent too", () => {
  server.connection.sendSnapshot([]);
  vi.advanceTimersByTime(60_000);
  expect(server.connections).toHaveLength(2);
  expect(connections).toEqual([{ kind: "live" }]);
  server.connection.sendSnapshot([]);
  expect(connections).toEqual([{ kind: "live" }]);
});

it("is lost when the renewed connection does not respond", () => {
  server.connection.sendSnapshot([]);
  vi.advanceTimersByTime(70_000);
  expect(connections).toMatchObject([{ kind: "live" }, { kind: "lost" }]);
});

it("renews a busy connection before the server ends it", () => {
  server.connection.sendSnapshot([]);
  for (let second = 0; second < 26 * 60 && server.connections.length === 1; second += 30) {
    vi.advanceTimersByTime(30_000);
    server.connection.send("pull.progress", wirePull());
  }
  expect(server.connections).toHaveLength(2);
  expect(connections).toEqual([{ kind: "live" }]);
});

it("closes and stays closed when the page goes", () => {
  server.connection.refuse();
  close();
  vi.advanceTimersByTime(60_000);
  expect(server.connections).toHaveLength(1);
  expect(server.connection.readyState).toBe(2);
});

it("waits at least half of the longest delay, at random", () => {
  expect([retryDelayMs(0, 0), retryDelayMs(0, 1), retryDelayMs(10, 0), retryDelayMs(10, 1)]).toEqual([500, 1000, 7500, 15_000]);
});
