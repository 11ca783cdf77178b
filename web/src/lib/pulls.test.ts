import { describe, expect, it } from "vitest";
import type { Message } from "../api/types";
import { MIB, aPull } from "../testing/pulls";
import { estimatedBytes } from "./estimate";
import { NO_PULLS, applyMessages, countPulls, endedRows, runningRows, type Pulls } from "./pulls";

const snapshot = (...ids: string[]): Message => ({ kind: "snapshot", synced: true, pulls: ids.map((id) => aPull({ id })) });
const upsert = (fields: Record<string, unknown>): Message => ({ kind: "upsert", pull: aPull(fields) });

function row(pulls: Pulls, id: string) {
  const found = pulls.rows.get(id);
  if (found === undefined) throw new Error(`no row ${id}`);
  return found;
}

describe("applyMessages", () => {
  it("replaces everything with a snapshot", () => {
    const before = applyMessages(NO_PULLS, [snapshot("a", "b")], 0);
    const after = applyMessages(before, [snapshot("b", "c")], 1);
    expect([...after.rows.keys()]).toEqual(["b", "c"]);
  });

  it("tells an empty cluster from a server that has not read it yet", () => {
    const pulls = applyMessages(NO_PULLS, [{ kind: "snapshot", synced: false, pulls: [] }], 0);
    expect(pulls).toMatchObject({ loaded: true, synced: false });
  });

  it("adds a pull that is new and replaces one that is not", () => {
    const pulls = applyMessages(
      applyMessages(NO_PULLS, [snapshot("a")], 0),
      [upsert({ id: "b" }), upsert({ id: "a", phase: "unpacking" })],
      1,
    );
    expect([row(pulls, "a").pull.phase, row(pulls, "b").pull.phase]).toEqual(["unpacking", "downloading"]);
  });

  it("deletes a pull that was removed, and does not mind one it never knew", () => {
    const pulls = applyMessages(NO_PULLS, [snapshot("a"), { kind: "removed", id: "a" }, { kind: "removed", id: "x" }], 0);
    expect(pulls.rows.size).toBe(0);
  });

  it("leaves rows that no message named as they are, so that they are not drawn again", () => {
    const before = applyMessages(NO_PULLS, [snapshot("a", "b")], 0);
    const after = applyMessages(before, [upsert({ id: "b" })], 1);
    expect(after.rows.get("a")).toBe(before.rows.get("a"));
  });
});

describe("the estimate over several reports", () => {
  it("holds where it was when a report says less than was estimated", () => {
    const before = applyMessages(NO_PULLS, [upsert({ id: "a" })], 0);
    const after = applyMessages(before, [upsert({ id: "a", downloadedBytes: 405 * MIB, bytesPerSec: 0 })], 3000);
    expect(estimatedBytes(row(after, "a"), 3000)).toBe(430 * MIB);
    expect(row(after, "a").restartedBelowBytes).toBe(0);
  });

  it("goes back with the report when bytes were lost, and says so until they are made up for", () => {
    let pulls = applyMessages(NO_PULLS, [upsert({ id: "a" })], 0);
    pulls = applyMessages(pulls, [upsert({ id: "a", downloadedBytes: 100 * MIB })], 1000);
    expect(estimatedBytes(row(pulls, "a"), 1000)).toBe(100 * MIB);
    expect(row(pulls, "a").restartedBelowBytes).toBe(400 * MIB);

    pulls = applyMessages(pulls, [upsert({ id: "a", downloadedBytes: 300 * MIB })], 2000);
    expect(row(pulls, "a").restartedBelowBytes).toBe(400 * MIB);
    pulls = applyMessages(pulls, [upsert({ id: "a", downloadedBytes: 401 * MIB })], 3000);
    expect(row(pulls, "a").restartedBelowBytes).toBe(0);
  });

  it("does not start anew from the same report", () => {
    const before = applyMessages(NO_PULLS, [snapshot("a")], 0);
    const after = applyMessages(before, [snapshot("a")], 5000);
    expect(row(after, "a").heardAtMs).toBe(0);
  });
});

describe("the order of rows", () => {
  const pulls = applyMessages(
    NO_PULLS,
    [
      upsert({ id: "young", startedAt: "2026-11-23T15:00:09Z" }),
      upsert({ id: "old", startedAt: "2026-11-23T15:00:01Z" }),
      upsert({ id: "twin-b", startedAt: "2026-11-23T15:00:05Z" }),
      upsert({ id: "twin-a", startedAt: "2026-11-23T15:00:05Z" }),
      upsert({ id: "ended", phase: "completed", completedAt: "2026-11-23T15:00:07Z" }),
      upsert({ id: "ended-last", phase: "failed", completedAt: "2026-11-23T15:00:08Z" }),
    ],
    0,
  );

  it("puts the oldest running pull first, whatever was heard last", () => {
    expect(runningRows(pulls.rows.values()).map((row) => row.pull.id)).toEqual(["old", "twin-a", "twin-b", "young"]);
  });

  it("puts the newest ended pull first", () => {
    expect(endedRows(pulls.rows.values()).map((row) => row.pull.id)).toEqual(["ended-last", "ended"]);
  });
});

describe("countPulls", () => {
  it("counts a pod once, however many of its containers and images wait", () => {
    const pods = ["app", "sidecar"].map((container) => ({ namespace: "shop", podName: "api-0", container, image: "x" }));
    const pulls = applyMessages(NO_PULLS, [upsert({ id: "a", pods }), upsert({ id: "b", pods })], 0);
    expect(countPulls(pulls.rows.values())).toMatchObject({ pulling: 2, waitingPods: 1, failed: 0 });
  });

  it("counts ended pulls only as failed, and no rate of a silent agent", () => {
    const pulls = applyMessages(
      NO_PULLS,
      [
        upsert({ id: "a", stale: true }),
        upsert({ id: "b", bytesPerSec: 7 }),
        upsert({ id: "c", phase: "failed" }),
        upsert({ id: "d", phase: "unknown" }),
      ],
      0,
    );
    expect(countPulls(pulls.rows.values())).toEqual({ pulling: 2, waitingPods: 0, failed: 1, bytesPerSec: 7 });
  });
});
