import { describe, expect, it } from "vitest";
import { aPod, aRow, rowsOf, THRESHOLDS, wireImage } from "../testing/builders";
import { asText, estimateText, podSentence } from "./sentences";

const NO_ROWS = rowsOf();
const sentence = (fields: Record<string, unknown>, rows = NO_ROWS, nowMs = 0) => asText(podSentence(aPod(fields), rows, nowMs, THRESHOLDS));

describe("podSentence", () => {
  it("has the estimate, the image and the node", () => {
    expect(sentence({ etaSeconds: 40 })).toBe("ready in about 40 s, waiting for nginx:1.27 on worker-1");
  });

  it("counts down", () => {
    expect(sentence({ etaSeconds: 60 }, NO_ROWS, 40_000)).toContain("ready in about 20 s,");
  });

  it("names the pulls before it in the node's queue, and counts the images after it", () => {
    const queued = wireImage({ state: "queued", behind: [{ image: "docker.io/pytorch/pytorch:2.4" }, { image: "redis" }] });
    expect(sentence({ images: [queued, wireImage({ state: "needed" })], etaSeconds: 300 })).toBe(
      "ready in about 5 min, waiting for nginx:1.27 on worker-1, queued behind pytorch:2.4 and 1 other, then 1 more image",
    );
  });

  it("has no time without an estimate", () => {
    expect(sentence({ etaSeconds: undefined })).toBe("no estimate yet, waiting for nginx:1.27 on worker-1");
  });

  it("has the reason of a failure", () => {
    const failed = wireImage({ state: "failed", failure: { reason: "not_found", message: "x" } });
    expect(sentence({ state: "failing", images: [wireImage({ state: "needed" }), failed] })).toBe("cannot start: nginx:1.27 was not found in the registry, on worker-1");
  });

  it("adds that the pull is stalled, or its report stale", () => {
    expect(sentence({}, rowsOf(aRow({ bytesPerSec: 0 })), 43_000)).toContain("; stalled: no data for 43 s");
    expect(sentence({}, rowsOf(aRow({ stale: true })))).toContain("; agent not reporting");
  });

  it("is starting once its images are pulled and its status is not ready yet", () => {
    expect(sentence({ images: [], etaSeconds: 1 })).toBe("starting, images pulled, on worker-1");
  });

  it("counts unlisted images", () => {
    expect(sentence({ moreImages: 12 })).toContain("on worker-1, then 12 more images");
    expect(sentence({ images: [], moreImages: 12 })).toBe("waiting for images on worker-1");
  });

  it("is ready with all images", () => {
    expect(sentence({ state: "ready", images: [] })).toBe("images ready on worker-1");
  });
});

describe("estimateText", () => {
  const bounds = (soonest: number, likely: number, latest: number | null) => ({
    soonestAtMs: soonest * 1000,
    likelyAtMs: likely * 1000,
    latestAtMs: latest === null ? null : latest * 1000,
  });

  it.each([
    [bounds(55, 60, 65), "about 1 min"],
    [bounds(20, 60, 120), "20 s to 2 min"],
    [bounds(60, 60, null), "1 min or more"],
    [bounds(0, 2, null), "a few seconds or more"],
    [null, null],
  ])("of %o is %o", (value, text) => {
    expect(estimateText(value, 0)).toBe(text);
  });
});
