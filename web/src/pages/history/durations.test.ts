import { expect, it } from "vitest";
import { aRow } from "../../testing/builders";
import { durationsOf } from "./durations";

const ended = { phase: "completed", startedAt: "2026-11-23T15:00:00Z", completedAt: "2026-11-23T15:00:30Z" };

it("has the watched phases, and the rest before them", () => {
  const row = aRow(ended, { phases: { downloadingAtMs: 2000, unpackingAtMs: 22_000, endedAtMs: 30_000 } });
  expect(durationsOf(row)).toEqual([
    { phase: "resolving", milliseconds: 2000 },
    { phase: "downloading", milliseconds: 20_000 },
    { phase: "unpacking", milliseconds: 8000 },
  ]);
});

it("has only the whole of a pull whose start was not watched", () => {
  expect(durationsOf(aRow(ended))).toEqual([{ phase: "all", milliseconds: 30_000 }]);
  expect(durationsOf(aRow({ phase: "unknown" }))).toEqual([]);
});
