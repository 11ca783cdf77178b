import { describe, expect, it } from "vitest";
import { aPod, aRow, rowsOf, wireNeed } from "../testing/pulls";
import { asText, dueText, podSentence } from "./sentences";

const NO_ROWS = rowsOf();
const sentence = (fields: Record<string, unknown>, rows = NO_ROWS, nowMs = 0) => asText(podSentence(aPod(fields), rows, nowMs));

describe("podSentence", () => {
  it("says when the pod is ready, what it waits for, and where", () => {
    expect(sentence({ etaSeconds: 40 })).toBe("ready in about 40 s, waiting for nginx:1.27 on worker-1");
  });

  it("counts down", () => {
    expect(sentence({ etaSeconds: 60 }, NO_ROWS, 40_000)).toContain("ready in about 20 s,");
  });

  it("says what stands in front in the node's queue, and how much comes after", () => {
    const queued = wireNeed({ state: "queued", behind: [{ image: "docker.io/pytorch/pytorch:2.4" }, { image: "redis" }] });
    expect(sentence({ images: [queued, wireNeed({ state: "needed" })], etaSeconds: 300 })).toBe(
      "ready in about 5 min, waiting for nginx:1.27 on worker-1, queued behind pytorch:2.4 and 1 other, then 1 more image",
    );
  });

  it("does not invent a time", () => {
    expect(sentence({ etaSeconds: undefined })).toBe("ready at a time that is not known yet, waiting for nginx:1.27 on worker-1");
  });

  it("says why a pod cannot start", () => {
    const failed = wireNeed({ state: "failed", failure: { reason: "not_found", message: "x" } });
    expect(sentence({ state: "failing", images: [wireNeed({ state: "needed" }), failed] })).toBe("cannot start: nginx:1.27 was not found in the registry, on worker-1");
  });

  it("adds that nothing moves, or that nobody can tell", () => {
    expect(sentence({}, rowsOf(aRow({ bytesPerSec: 0 })), 43_000)).toContain("; no byte has come for 43 s");
    expect(sentence({}, rowsOf(aRow({ stale: true })))).toContain("; the node's agent is silent");
  });

  it("says that a pod starts, once its images are pulled and its status does not say so yet", () => {
    expect(sentence({ images: [], etaSeconds: 1 })).toBe("starting, images pulled, on worker-1");
  });

  it("counts the images that the server does not list", () => {
    expect(sentence({ moreImages: 12 })).toContain("on worker-1, then 12 more images");
    expect(sentence({ images: [], moreImages: 12 })).toBe("waits for images on worker-1");
  });

  it("says that all is there", () => {
    expect(sentence({ state: "ready", images: [] })).toBe("has all its images on worker-1");
  });
});

describe("dueText", () => {
  const due = (soonest: number, likely: number, latest: number | null) => ({
    soonestAtMs: soonest * 1000,
    likelyAtMs: likely * 1000,
    latestAtMs: latest === null ? null : latest * 1000,
  });

  it.each([
    [due(55, 60, 65), "about 1 min"],
    [due(20, 60, 120), "20 s to 2 min"],
    [due(60, 60, null), "1 min or more"],
    [due(0, 2, null), "a few seconds or more"],
    [null, null],
  ])("of %o is %o", (value, text) => {
    expect(dueText(value, 0)).toBe(text);
  });
});
