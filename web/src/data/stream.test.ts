import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FakeServer, wirePull } from "../testing/pulls";
import { steadyNowMs } from "./clock";
import { openStream, retryDelayMs, type Connection } from "./stream";
import type { Message } from "../model/types";

const BASE = "http://cluster.test/some/prefix/?view=pulls";

let server: FakeServer;
let messages: Message[];
let connections: Connection[];
let close: () => void;

beforeEach(() => {
  vi.useFakeTimers();
  server = new FakeServer();
  messages = [];
  connections = [];
  close = openStream({ onMessage: (message) => messages.push(message), onConnection: (state) => connections.push(state) }, BASE, server);
});

afterEach(() => {
  close();
  vi.useRealTimers();
});

it("asks beside the page, so that any path prefix works", () => {
  expect(server.connection.url).toBe("http://cluster.test/some/prefix/api/v1/events?pods=true");
});

it("asks without pods where they were refused, and with them again soon", () => {
  server.connection.refuse();
  vi.advanceTimersByTime(1000);
  expect(server.connection.url).toBe("http://cluster.test/some/prefix/api/v1/events");
  server.connection.sendSnapshot([]);
  vi.advanceTimersByTime(50_000);
  server.connection.send("pull.progress", wirePull());
  vi.advanceTimersByTime(50_000);
  server.connection.send("pull.progress", wirePull());
  expect(server.connection.url).toContain("pods=true");
});

it("is live from the first snapshot on", () => {
  server.connection.sendSnapshot([wirePull()]);
  expect(connections).toEqual([{ kind: "live" }]);
  expect(messages).toHaveLength(1);
});

it("hands changes on, and goes on after one that makes no sense", () => {
  server.connection.sendSnapshot([]);
  server.connection.sendText("{not json");
  server.connection.send("pull.removed", wirePull());
  expect(messages.map((message) => message.kind)).toEqual(["snapshot", "pull-removed"]);
});

describe("a connection that breaks", () => {
  it("is lost since then, over all attempts, until a new snapshot comes", () => {
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

  it("is left to the browser for as long as it tries itself", () => {
    server.connection.sendSnapshot([]);
    server.connection.breakOff();
    vi.advanceTimersByTime(20_000);
    expect(server.connections).toHaveLength(1);
  });

  it("is opened anew when the browser has given up", () => {
    server.connection.refuse();
    vi.advanceTimersByTime(999);
    expect(server.connections).toHaveLength(1);
    vi.advanceTimersByTime(1);
    expect(server.connections).toHaveLength(2);
  });

  it("is tried again ever more rarely, and at once again after it has worked", () => {
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

  it("says nothing any more once it has been replaced", () => {
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

it("quietly renews a connection that has been silent, because a dead one is silent too", () => {
  server.connection.sendSnapshot([]);
  vi.advanceTimersByTime(60_000);
  expect(server.connections).toHaveLength(2);
  expect(connections).toEqual([{ kind: "live" }]);
  server.connection.sendSnapshot([]);
  expect(connections).toEqual([{ kind: "live" }]);
});

it("says that the connection is lost when the renewed one does not answer", () => {
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

it("waits at least half of the longest pause, so that it neither hammers nor comes back with everybody", () => {
  expect([retryDelayMs(0, 0), retryDelayMs(0, 1), retryDelayMs(10, 0), retryDelayMs(10, 1)]).toEqual([500, 1000, 7500, 15_000]);
});
