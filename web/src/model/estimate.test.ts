import { describe, expect, it } from "vitest";
import { MIB, aRow as heardOf } from "../testing/pulls";
import { estimatedBytes, estimatedTimeLeft, stalledSeconds } from "./estimate";

const aRow = (fields: Record<string, unknown> = {}, row = {}) => heardOf(fields, { heardAtMs: 1000, ...row });

describe("estimatedBytes", () => {
  it("moves on by the rate after the report", () => {
    expect(estimatedBytes(aRow(), 4000)).toBe(430 * MIB);
  });

  it("never passes the total", () => {
    expect(estimatedBytes(aRow({ downloadedBytes: 995 * MIB }), 9000)).toBe(1000 * MIB);
  });

  it("stops when no report has come for longer than agents ever wait", () => {
    expect(estimatedBytes(aRow(), 3_600_000)).toBe(600 * MIB);
  });

  it("does not fall behind what was shown before", () => {
    expect(estimatedBytes(aRow({}, { floorBytes: 420 * MIB }), 1000)).toBe(420 * MIB);
  });

  it("stands still when the agent is silent", () => {
    expect(estimatedBytes(aRow({ stale: true }), 4000)).toBe(400 * MIB);
  });

  it("is the report itself when nothing is being downloaded", () => {
    expect(estimatedBytes(aRow({ phase: "unpacking" }), 4000)).toBe(400 * MIB);
  });
});

describe("estimatedTimeLeft", () => {
  it("counts down since the report, to no less than nothing", () => {
    expect(estimatedTimeLeft(aRow(), 11_000)).toEqual([50, 50]);
    expect(estimatedTimeLeft(aRow({ etaSeconds: 3 }), 11_000)).toEqual([0, 0]);
  });

  it("has bounds when they were reported", () => {
    expect(estimatedTimeLeft(aRow({ etaRangeSeconds: [15, 40] }), 11_000)).toEqual([5, 30]);
  });

  it("is not known when it was not reported, or the agent is silent", () => {
    expect(estimatedTimeLeft(aRow({ etaSeconds: undefined }), 1000)).toBeNull();
    expect(estimatedTimeLeft(aRow({ stale: true }), 1000)).toBeNull();
  });
});

describe("stalledSeconds", () => {
  it("counts from the report that nothing moves, once it is more than a pause", () => {
    const row = aRow({ bytesPerSec: 0 });
    expect([stalledSeconds(row, 10_999), stalledSeconds(row, 26_000)]).toEqual([null, 25]);
  });

  it("is not said of a download that moves, of other work, or of a silent agent", () => {
    for (const fields of [{}, { bytesPerSec: 0, phase: "unpacking" }, { bytesPerSec: 0, stale: true }]) {
      expect(stalledSeconds(aRow(fields), 60_000)).toBeNull();
    }
  });
});
