import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { FakeServer, THRESHOLDS, wirePod, wirePull } from "../testing/builders";
import type { Update } from "../model/cluster";
import { Feed, type Subscription } from "./feed";

let server: FakeServer;
let feed: Feed;

beforeEach(() => {
  vi.useFakeTimers();
  server = new FakeServer();
  feed = new Feed("http://cluster.test/", server);
});

afterEach(() => vi.useRealTimers());

function subscribe(): { updates: Update[]; subscription: Subscription } {
  const updates: Update[] = [];
  return { updates, subscription: feed.subscribe((update) => updates.push(update)) };
}

const ids = (update: Update | undefined) => update?.rows.map(({ pull }) => pull.id);

it("sends the changes of a quarter of a second in one update, each row once", () => {
  const { updates } = subscribe();
  server.connection.sendSnapshot([wirePull()], { pods: [wirePod()] });
  updates.length = 0;
  for (let percent = 1; percent <= 30; percent += 1) server.connection.send("pull.progress", wirePull({ downloadedBytes: percent }));
  server.connection.sendPod("pod.removed", wirePod());
  vi.advanceTimersByTime(249);
  expect(updates).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(updates).toMatchObject([{ whole: false, rows: [{ pull: { downloadedBytes: 30 } }], removedPods: ["shop/web-7d9"] }]);
});

it("has one connection for all subscribers, and sends a later one everything", () => {
  subscribe();
  server.connection.sendSnapshot([wirePull({ id: "a" })]);
  server.connection.send("pull.started", wirePull({ id: "b" }));
  const { updates } = subscribe();
  expect(server.connections).toHaveLength(1);
  expect([updates[0]?.whole, ids(updates[0])]).toEqual([true, ["a", "b"]]);
});

it("closes the connection with the last subscription", () => {
  const [one, other] = [subscribe(), subscribe()];
  one.subscription.close();
  expect(server.connection.readyState).toBe(0);
  other.subscription.close();
  expect(server.connection.readyState).toBe(2);
});

it("sends an inactive page only samples, and everything when it is active again", () => {
  const { updates, subscription } = subscribe();
  server.connection.sendSnapshot([wirePull({ id: "a" })]);
  subscription.setActive(false);
  updates.length = 0;
  server.connection.send("pull.started", wirePull({ id: "b" }));
  vi.advanceTimersByTime(10_000);
  expect(updates.map((update) => [update.rows.length, update.samples.length])).toEqual([[0, 1], [0, 1]]);
  subscription.setActive(true);
  expect([updates.at(-1)?.whole, ids(updates.at(-1))]).toEqual([true, ["a", "b"]]);
});

it("sends layers only of opened pulls", () => {
  const layers = [{ digest: "sha256:aaaaaaaaaaaa", state: "done", totalKnown: true }];
  const { updates, subscription } = subscribe();
  server.connection.sendSnapshot([wirePull({ id: "a", layers }), wirePull({ id: "b", layers })]);
  const layerCounts = () => updates.findLast((update) => update.rows.length > 0)?.rows.map(({ pull, layers: shown }) => [pull.id, shown.length]);
  expect(layerCounts()).toEqual([["a", 0], ["b", 0]]);
  subscription.setOpen(["b", "x"]);
  expect(layerCounts()).toEqual([["b", 1]]);
  for (const id of ["a", "b"]) server.connection.send("pull.progress", wirePull({ id, layers }));
  vi.advanceTimersByTime(250);
  expect(layerCounts()).toEqual([["a", 0], ["b", 1]]);
});

it("samples rates by node and registry, without stale reports", () => {
  const { updates } = subscribe();
  server.connection.sendSnapshot([wirePull({ id: "a" }), wirePull({ id: "b", stale: true, nodeName: "x" }), wirePull({ id: "c", imageRef: "quay.io/x", bytesPerSec: 5 })], { pods: [wirePod()] });
  const sample = updates.at(-1)?.samples.at(-1);
  expect(sample).toMatchObject({ bytesPerSec: 10 * 1024 * 1024 + 5, byRegistry: { "quay.io": 5 }, pulling: 3, waitingPods: 1 });
  expect(Object.keys(sample?.byNode ?? {})).toEqual(["worker-1"]);
});

it("polls the nodes while a page is active, and keeps them without an answer", async () => {
  server.nodes = [{ nodeName: "node-1" }];
  const { updates, subscription } = subscribe();
  await vi.advanceTimersByTimeAsync(300);
  expect(updates.at(-1)?.nodes).toMatchObject([{ nodeName: "node-1" }]);
  server.nodes = null;
  server.connection.sendSnapshot([]);
  server.connection.send("pull.started", wirePull());
  await vi.advanceTimersByTimeAsync(5300);
  expect(updates.at(-1)?.nodes).toBeUndefined();
  const late = subscribe();
  expect(late.updates[0]?.nodes).toHaveLength(1);
  late.subscription.close();
  subscription.setActive(false);
  const asked = vi.spyOn(server, "fetchText");
  await vi.advanceTimersByTimeAsync(20_000);
  expect(asked).not.toHaveBeenCalled();
});

it("reads the thresholds with every snapshot, and keeps them without an answer", async () => {
  const { updates } = subscribe();
  server.connection.sendSnapshot([]);
  await vi.advanceTimersByTimeAsync(300);
  expect(updates.at(-1)?.thresholds).toEqual(THRESHOLDS);
  vi.spyOn(server, "fetchText").mockResolvedValue(null);
  server.connection.sendSnapshot([]);
  await vi.advanceTimersByTimeAsync(300);
  expect(updates.at(-1)?.thresholds).toEqual(THRESHOLDS);
});

it("keeps the phases of a pull over a snapshot", () => {
  const { updates } = subscribe();
  server.connection.sendSnapshot([]);
  server.connection.send("pull.started", wirePull({ phase: "resolving" }));
  vi.advanceTimersByTime(1000);
  server.connection.send("pull.progress", wirePull());
  server.connection.sendSnapshot([wirePull()]);
  vi.advanceTimersByTime(250);
  expect(updates.findLast((update) => update.whole)?.rows[0]?.phases.downloadingAtMs).not.toBeNull();
});

it("sends the loss of the connection at once", () => {
  const { updates } = subscribe();
  server.connection.sendSnapshot([]);
  server.connection.breakOff();
  expect(updates.at(-1)?.connection.kind).toBe("lost");
});
