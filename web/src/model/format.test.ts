import { describe, expect, it } from "vitest";
import table from "../../../tests/pulls/sizes.tsv?raw";
import { formatAge, formatBytes, formatClock, formatDuration, formatPercent, formatRate, formatTimeLeft, percentOf } from "./format";

const MIB = 1024 ** 2;

describe("formatBytes", () => {
  const sizes = table
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.split("\t"));

  it.each(sizes)("writes %s as %s, as the server does", (bytes, text) => {
    expect(formatBytes(Number(bytes))).toBe(text);
  });
});

it("writes a rate per second", () => {
  expect(formatRate(34 * MIB)).toBe("34 MiB/s");
});

describe("formatDuration", () => {
  it.each([
    [-1, "0.0 s"],
    [0.84, "0.8 s"],
    [48.2, "48 s"],
    [59.7, "1 min 00 s"],
    [192, "3 min 12 s"],
    [3840, "1 h 04 min"],
  ])("writes %d s as %s", (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });
});

describe("formatTimeLeft", () => {
  it.each([
    [0, "a few seconds"],
    [4.9, "a few seconds"],
    [38, "about 40 s"],
    [57, "about 55 s"],
    [58, "about 1 min"],
    [170, "about 3 min"],
    [3600, "about 1 h"],
    [4800, "about 1 h 20 min"],
    [7080, "about 2 h"],
  ])("writes %d s as %s", (seconds, text) => {
    expect(formatTimeLeft(seconds)).toBe(text);
  });

  it.each([
    [20, 60, "20 s to 1 min"],
    [38, 41, "about 40 s"],
    [2, 20, "up to 20 s"],
    [1, 4, "a few seconds"],
  ])("writes %d to %d s as %s", (soonest, latest, text) => {
    expect(formatTimeLeft(soonest, latest)).toBe(text);
  });
});

it("writes an age in its largest whole unit", () => {
  expect([8.9, 61, 7300].map(formatAge)).toEqual(["8 s", "1 min", "2 h"]);
});

it("writes a time of day with two digits each", () => {
  expect(formatClock(new Date(2026, 10, 23, 5, 4, 3).getTime())).toBe("05:04:03");
});

describe("percentages", () => {
  it("are 100% only when no byte is missing", () => {
    expect(formatPercent(999, 1000)).toBe("99%");
  });

  it("of nothing are whole, and never leave 0 to 100", () => {
    expect([percentOf(0, 0), percentOf(5, 2), percentOf(-1, 2)]).toEqual([100, 100, 0]);
  });
});
