import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FakeServer, wirePod, wirePull } from "../testing/pulls";
import { Feed, type Update, type Viewer } from "./feed";

let server: FakeServer;
let feed: Feed;

beforeEach(() => {
  vi.useFakeTimers();
  server = new FakeServer();
  feed = new Feed("http://cluster.test/", server);
});

afterEach(() => vi.useRealTimers());

function join(): { updates: Update[]; viewer: Viewer } {
  const updates: Update[] = [];
  return { updates, viewer: feed.join((update) => updates.push(update)) };
}

const ids = (update: Update | undefined) => update?.pulls.map(({ pull }) => pull.id);

it("gathers what the server says for a quarter of a second, each row once", () => {
  const { updates } = join();
  server.connection.sendSnapshot([wirePull()], { pods: [wirePod()] });
  updates.length = 0;
  for (let percent = 1; percent <= 30; percent += 1) server.connection.send("pull.progress", wirePull({ downloadedBytes: percent }));
  server.connection.sendPod("pod.removed", wirePod());
  vi.advanceTimersByTime(249);
  expect(updates).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(updates).toMatchObject([{ whole: false, pulls: [{ pull: { downloadedBytes: 30 } }], removedPods: ["shop/web-7d9"] }]);
});

it("has one connection for all who watch, and tells one that comes later everything", () => {
  join();
  server.connection.sendSnapshot([wirePull({ id: "a" })]);
  server.connection.send("pull.started", wirePull({ id: "b" }));
  const { updates } = join();
  expect(server.connections).toHaveLength(1);
  expect([updates[0]?.whole, ids(updates[0])]).toEqual([true, ["a", "b"]]);
});

it("closes the connection when the last has left", () => {
  const [one, other] = [join(), join()];
  one.viewer.leave();
  expect(server.connection.readyState).toBe(0);
  other.viewer.leave();
  expect(server.connection.readyState).toBe(2);
});

it("tells a page that nobody looks at nothing but samples, and everything when it is looked at again", () => {
  const { updates, viewer } = join();
  server.connection.sendSnapshot([wirePull({ id: "a" })]);
  viewer.setWatching(false);
  updates.length = 0;
  server.connection.send("pull.started", wirePull({ id: "b" }));
  vi.advanceTimersByTime(10_000);
  expect(updates.map((update) => [update.pulls.length, update.samples.length])).toEqual([[0, 1], [0, 1]]);
  viewer.setWatching(true);
  expect([updates.at(-1)?.whole, ids(updates.at(-1))]).toEqual([true, ["a", "b"]]);
});

it("sends the layers only of pulls that a page has opened", () => {
  const layers = [{ digest: "sha256:aaaaaaaaaaaa", state: "done", totalKnown: true }];
  const { updates, viewer } = join();
  server.connection.sendSnapshot([wirePull({ id: "a", layers }), wirePull({ id: "b", layers })]);
  const layerCounts = () => updates.findLast((update) => update.pulls.length > 0)?.pulls.map(({ pull }) => [pull.id, pull.layers.length]);
  expect(layerCounts()).toEqual([["a", 0], ["b", 0]]);
  viewer.setOpen(["b", "x"]);
  expect(layerCounts()).toEqual([["b", 1]]);
  for (const id of ["a", "b"]) server.connection.send("pull.progress", wirePull({ id, layers }));
  vi.advanceTimersByTime(250);
  expect(layerCounts()).toEqual([["a", 0], ["b", 1]]);
});

it("samples what moves, by node and registry, and not what a silent agent said", () => {
  const { updates } = join();
  server.connection.sendSnapshot([wirePull({ id: "a" }), wirePull({ id: "b", stale: true, nodeName: "x" }), wirePull({ id: "c", imageRef: "quay.io/x", bytesPerSec: 5 })], { pods: [wirePod()] });
  const sample = updates.at(-1)?.samples.at(-1);
  expect(sample).toMatchObject({ bytesPerSec: 10 * 1024 * 1024 + 5, byRegistry: { "quay.io": 5 }, pulling: 3, waitingPods: 1 });
  expect(Object.keys(sample?.byNode ?? {})).toEqual(["worker-1"]);
});

it("asks for the nodes every few seconds while somebody looks, and keeps them when there is no answer", async () => {
  server.nodes = [{ nodeName: "node-1" }];
  const { updates, viewer } = join();
  await vi.advanceTimersByTimeAsync(300);
  expect(updates.at(-1)?.nodes).toMatchObject([{ nodeName: "node-1" }]);
  server.nodes = null;
  server.connection.sendSnapshot([]);
  server.connection.send("pull.started", wirePull());
  await vi.advanceTimersByTimeAsync(5300);
  expect(updates.at(-1)?.nodes).toBeUndefined();
  const late = join();
  expect(late.updates[0]?.nodes).toHaveLength(1);
  late.viewer.leave();
  viewer.setWatching(false);
  const asked = vi.spyOn(server, "fetchText");
  await vi.advanceTimersByTimeAsync(20_000);
  expect(asked).not.toHaveBeenCalled();
});

describe("when a phase began", () => {
  it("is written down for whoever comes later", () => {
    const { updates } = join();
    server.connection.sendSnapshot([]);
    server.connection.send("pull.started", wirePull({ phase: "resolving" }));
    vi.advanceTimersByTime(1000);
    server.connection.send("pull.progress", wirePull());
    vi.advanceTimersByTime(2000);
    server.connection.send("pull.progress", wirePull({ phase: "unpacking" }));
    vi.advanceTimersByTime(3000);
    server.connection.send("pull.completed", wirePull({ phase: "completed" }));
    vi.advanceTimersByTime(250);
    const seen = updates.findLast((update) => update.pulls.length > 0)?.pulls[0]?.seen;
    const { downloadingAtMs = 0, unpackingAtMs = 0, endedAtMs = 0 } = seen ?? {};
    expect([(unpackingAtMs ?? 0) - (downloadingAtMs ?? 0), (endedAtMs ?? 0) - (unpackingAtMs ?? 0)]).toEqual([2000, 3000]);
  });

  it("is not known of what was there before", () => {
    const { updates } = join();
    server.connection.sendSnapshot([wirePull()]);
    expect(updates.at(-2)?.pulls[0]?.seen.downloadingAtMs ?? updates.at(-1)?.pulls[0]?.seen.downloadingAtMs ?? null).toBeNull();
  });
});

it("tells at once when the connection is lost", () => {
  const { updates } = join();
  server.connection.sendSnapshot([]);
  server.connection.breakOff();
  expect(updates.at(-1)?.connection.kind).toBe("lost");
});
