import { expect, it } from "vitest";
import { registryOf } from "../../model/samples";
import { aPull, aRow, MIB, rowsOf } from "../../testing/builders";
import { curvesOf, registriesOf, sparkOf } from "./throughput";

const MINUTE_MS = 60_000;
const sample = (atMs: number, rate: number) => ({ atMs, bytesPerSec: rate, byNode: { "worker-1": rate }, byRegistry: { "docker.io": rate }, pulling: 1, waitingPods: 0 });
const CLUSTER = { kind: "cluster", name: "" } as const;

it("starts with the averages of ended pulls, and continues with samples", () => {
  const ended = aRow({ phase: "completed", downloadedBytes: 600 * MIB, startedAt: "1970-01-01T00:01:00Z", completedAt: "1970-01-01T00:02:00Z" });
  const curves = curvesOf([sample(5 * MINUTE_MS, 7), sample(5 * MINUTE_MS + 5000, 9)], rowsOf(ended), CLUSTER, 5 * MINUTE_MS + 5000, 0);
  const value = (seconds: number) => curves.averaged[curves.atSeconds.findIndex((each) => each >= seconds)];
  expect([value(60), value(90), value(200)]).toEqual([10 * MIB, 10 * MIB, 0]);
  expect([curves.sampled.slice(-2), curves.averaged.slice(-2)]).toEqual([[7, 9], [7, null]]);
});

it("does not start before the first pull", () => {
  const ended = aRow({ phase: "completed", startedAt: "1970-01-01T00:01:00Z", completedAt: "1970-01-01T00:02:00Z" });
  expect(curvesOf([sample(5 * MINUTE_MS, 7)], rowsOf(ended), CLUSTER, 5 * MINUTE_MS, 0).atSeconds[0]).toBe(60);
});

it("covers one node or registry", () => {
  const of = (kind: "node" | "registry", name: string) => curvesOf([sample(0, 7)], rowsOf(), { kind, name }, 0, 0).sampled.at(-1);
  expect([of("node", "worker-1"), of("node", "x"), of("registry", "docker.io"), of("registry", "x")]).toEqual([7, 0, 7, 0]);
});

it.each([
  ["docker.io/library/nginx:1", "docker.io"],
  ["nginx", "docker.io"],
  ["acme/app", "docker.io"],
  ["registry:5000/app", "registry:5000"],
  ["localhost/app", "localhost"],
])("takes the registry of %s: %s", (imageRef, registry) => {
  expect(registryOf(aPull({ imageRef }))).toBe(registry);
});

it("names the busiest registry first", () => {
  const rows = rowsOf(aRow({ id: "a", downloadedBytes: 1 }), aRow({ id: "b", imageRef: "quay.io/x", downloadedBytes: 5 }));
  expect(registriesOf([], rows.values())).toEqual(["quay.io", "docker.io"]);
});

it("has the last rates of a node", () => {
  expect(sparkOf([sample(0, 1), sample(1, 2), sample(2, 3)], "worker-1", 2)).toEqual([2, 3]);
});
