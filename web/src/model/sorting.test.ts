import { expect, it } from "vitest";
import { aRow } from "../testing/builders";
import { endedRows, heldOrder, nextSort, runningRows, sortedRows } from "./sorting";

const rows = [
  aRow({ id: "young", startedAt: "2026-11-23T15:00:09Z", bytesPerSec: 9, etaSeconds: 5 }),
  aRow({ id: "old", startedAt: "2026-11-23T15:00:01Z", bytesPerSec: 1, etaSeconds: undefined }),
  aRow({ id: "twin-b", startedAt: "2026-11-23T15:00:05Z", bytesPerSec: 5 }),
  aRow({ id: "twin-a", startedAt: "2026-11-23T15:00:05Z", bytesPerSec: 5 }),
];
const ids = (sort: string) => sortedRows(rows, sort, "started").map((row) => row.pull.id);

it("has the oldest first by default, and equals in a fixed order", () => {
  expect([ids(""), ids("nonsense")]).toEqual([["old", "twin-a", "twin-b", "young"], ["old", "twin-a", "twin-b", "young"]]);
});

it("sorts by a column, and in reverse", () => {
  expect([ids("rate")[0], ids("-rate")[0]]).toEqual(["young", "old"]);
});

it("puts unknown values last", () => {
  expect(ids("left").at(-1)).toBe("old");
});

it("goes from one click to the next", () => {
  expect([nextSort("", "node"), nextSort("node", "node"), nextSort("-node", "node"), nextSort("node", "rate")]).toEqual(["node", "-node", "", "rate"]);
});

it("separates running and ended pulls", () => {
  const both = [aRow({ id: "a" }), aRow({ id: "b", phase: "failed" })];
  expect([runningRows(both).length, endedRows(both).length]).toEqual([1, 1]);
});

it("moves no row while it is held: removed rows leave, new rows come last", () => {
  expect(heldOrder(["a", "b", "c"], ["c", "d", "a"])).toEqual(["a", "c", "d"]);
});
