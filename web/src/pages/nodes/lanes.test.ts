import { describe, expect, it } from "vitest";
import { NO_PHASE_TIMES } from "../../model/row";
import { aPod, aRow, rowsOf, THRESHOLDS, wireImage } from "../../testing/builders";
import { laneOf, minutesIn, percentIn, windowOf } from "./lanes";

const at = (seconds: number) => new Date(seconds * 1000).toISOString();
const kinds = (strip: { pieces: readonly { kind: string; fromMs: number; toMs: number }[] } | undefined) =>
  strip?.pieces.map((piece) => [piece.kind, piece.fromMs / 1000, piece.toMs / 1000]);

describe("laneOf", () => {
  it("draws the phases of a pull, and its estimate", () => {
    const row = aRow({ startedAt: at(10), phase: "unpacking", etaSeconds: 20 }, { reportedAtMs: 60_000, phases: { ...NO_PHASE_TIMES, downloadingAtMs: 12_000, unpackingAtMs: 50_000 } });
    expect(kinds(laneOf([row], [], 60_000, 0, THRESHOLDS).strips[0])).toEqual([
      ["resolving", 10, 12],
      ["downloading", 12, 50],
      ["unpacking", 50, 60],
      ["expected", 60, 80],
    ]);
  });

  it("has no phases of a pull that ended before the page was open", () => {
    const ended = (phase: string) => aRow({ startedAt: at(10), completedAt: at(30), phase });
    expect(kinds(laneOf([ended("completed")], [], 60_000, 5000, THRESHOLDS).strips[0])).toEqual([["pulled", 15, 35]]);
    expect(kinds(laneOf([ended("failed")], [], 60_000, 0, THRESHOLDS).strips[0])).toEqual([["failed", 10, 30]]);
  });

  it("puts the queue end to end behind what runs, each image once, in the order of the estimates", () => {
    const queued = (image: string, etaSeconds: number) => wireImage({ image, state: "queued", etaSeconds });
    const pods = [aPod({ images: [queued("b:1", 40)] }), aPod({ podName: "x", images: [queued("b:1", 45), queued("a:1", 30)] })];
    const lane = laneOf([aRow({ startedAt: at(-5), etaSeconds: 20 })], pods, 0, 0, THRESHOLDS);
    expect(lane.strips.map((strip) => [strip.label, strip.fromMs / 1000, strip.toMs / 1000, strip.track])).toEqual([
      ["nginx:1.27", -5, 20, 0],
      ["a:1", 20, 30, 0],
      ["b:1", 30, 40, 0],
    ]);
  });

  it("puts pulls at the same time below each other", () => {
    const lane = laneOf([aRow({ id: "a", startedAt: at(-9) }), aRow({ id: "b", startedAt: at(-5) })], [], 0, 0, THRESHOLDS);
    expect([lane.tracks, lane.strips.map((strip) => strip.track)]).toEqual([2, [0, 1]]);
  });
});

it("reaches to the last estimate, in steps of two minutes", () => {
  const rows = rowsOf(aRow({ startedAt: at(0), etaSeconds: 130 }));
  expect(windowOf({ rows, pods: new Map(), serverOffsetMs: 0, thresholds: THRESHOLDS }, 0)).toEqual({ fromMs: -120_000, toMs: 240_000 });
  expect([percentIn({ fromMs: 0, toMs: 200 }, 50), percentIn({ fromMs: 0, toMs: 200 }, 900)]).toEqual([25, 100]);
  expect(minutesIn({ fromMs: -240_000, toMs: 120_000 }, 0)).toEqual([-4, -3, -2, -1, 0, 1, 2]);
});
