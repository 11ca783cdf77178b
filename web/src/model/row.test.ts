import { describe, expect, it } from "vitest";
import { aPull, aRow as newRow, MIB, THRESHOLDS } from "../testing/builders";
import { estimatedBytes, estimatedTimeLeft, nextRow, stalledSeconds, type Row } from "./row";

const aRow = (fields: Record<string, unknown> = {}, row = {}) => newRow(fields, { reportedAtMs: 1000, ...row });

describe("estimatedBytes", () => {
  it("moves on by the rate after the report", () => {
    expect(estimatedBytes(aRow(), 4000, THRESHOLDS)).toBe(430 * MIB);
  });

  it("never passes the total", () => {
    expect(estimatedBytes(aRow({ downloadedBytes: 995 * MIB }), 9000, THRESHOLDS)).toBe(1000 * MIB);
  });

  it("stops after the limit of the server", () => {
    expect(estimatedBytes(aRow(), 3_600_000, THRESHOLDS)).toBe(600 * MIB);
  });

  it("does not fall behind the shown bytes", () => {
    expect(estimatedBytes(aRow({}, { floorBytes: 420 * MIB }), 1000, THRESHOLDS)).toBe(420 * MIB);
  });

  it("does not move while the report is stale", () => {
    expect(estimatedBytes(aRow({ stale: true }), 4000, THRESHOLDS)).toBe(400 * MIB);
  });

  it("is the report itself in other phases", () => {
    expect(estimatedBytes(aRow({ phase: "unpacking" }), 4000, THRESHOLDS)).toBe(400 * MIB);
  });
});

describe("estimatedTimeLeft", () => {
  it("counts down since the report, to zero", () => {
    expect(estimatedTimeLeft(aRow(), 11_000, THRESHOLDS)).toEqual([50, 50]);
    expect(estimatedTimeLeft(aRow({ etaSeconds: 3 }), 11_000, THRESHOLDS)).toEqual([0, 0]);
  });

  it("has the reported bounds", () => {
    expect(estimatedTimeLeft(aRow({ etaRangeSeconds: [15, 40] }), 11_000, THRESHOLDS)).toEqual([5, 30]);
  });

  it("is null without an estimate, or for a stale report", () => {
    expect(estimatedTimeLeft(aRow({ etaSeconds: undefined }), 1000, THRESHOLDS)).toBeNull();
    expect(estimatedTimeLeft(aRow({ stale: true }), 1000, THRESHOLDS)).toBeNull();
  });
});

describe("stalledSeconds", () => {
  it("counts from the report, once it is longer than a pause", () => {
    const row = aRow({ bytesPerSec: 0 });
    expect([stalledSeconds(row, 10_999, THRESHOLDS), stalledSeconds(row, 26_000, THRESHOLDS)]).toEqual([null, 25]);
  });

  it("is null for a download that moves, for other phases, and for a stale report", () => {
    for (const fields of [{}, { bytesPerSec: 0, phase: "unpacking" }, { bytesPerSec: 0, stale: true }]) {
      expect(stalledSeconds(aRow(fields), 60_000, THRESHOLDS)).toBeNull();
    }
  });
});

describe("nextRow", () => {
  const at = (nowMs: number, fields: Record<string, unknown> = {}) => aPull(fields, nowMs);
  const after = (before: Row | undefined, nowMs: number, fields: Record<string, unknown> = {}) => nextRow(before, at(nowMs, fields), false, THRESHOLDS);

  it("keeps the estimate when a report says less", () => {
    const row = after(after(undefined, 0), 3000, { downloadedBytes: 405 * MIB, bytesPerSec: 0 });
    expect([estimatedBytes(row, 3000, THRESHOLDS), row.restartedBelowBytes]).toEqual([430 * MIB, 0]);
  });

  it("goes back with the report when a layer restarted, and says so until the count has passed", () => {
    let row = after(after(undefined, 0), 1000, { downloadedBytes: 100 * MIB });
    expect([estimatedBytes(row, 1000, THRESHOLDS), row.restartedBelowBytes]).toEqual([100 * MIB, 400 * MIB]);
    row = after(row, 2000, { downloadedBytes: 300 * MIB });
    expect(row.restartedBelowBytes).toBe(400 * MIB);
    expect(after(row, 3000, { downloadedBytes: 401 * MIB }).restartedBelowBytes).toBe(0);
  });

  it("does not restart the estimate with the same report", () => {
    expect(after(after(undefined, 0), 5000).reportedAtMs).toBe(0);
  });

  it("records the start of each phase", () => {
    let row = after(undefined, 0, { phase: "resolving" });
    row = after(row, 1000);
    row = after(row, 3000, { phase: "unpacking" });
    row = after(row, 6000, { phase: "completed" });
    expect(row.phases).toEqual({ downloadingAtMs: 1000, unpackingAtMs: 3000, endedAtMs: 6000 });
  });

  it("knows no start of a phase from the first snapshot", () => {
    expect(nextRow(undefined, at(0), true, THRESHOLDS).phases.downloadingAtMs).toBeNull();
    expect(after(undefined, 5).phases.downloadingAtMs).toBe(5);
  });
});
