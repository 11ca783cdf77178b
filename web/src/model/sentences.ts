// One sentence for each pod: when it is ready, and what it waits for.
import type { Rows } from "./cluster";
import { count, formatAge, formatTimeLeft } from "./format";
import { shortImage } from "./image";
import { stalledSeconds } from "./row";
import type { Estimate, PendingImage, Pod, Thresholds } from "./types";
import { reasonWords } from "./words";

export interface Part {
  readonly text: string;
  readonly strong?: boolean;
}

/** Return the image that decides now: the pulling one, else the queued one, else the next. */
export function currentImage(pod: Pod): PendingImage | undefined {
  const first = (state: PendingImage["state"]) => pod.images.find((image) => image.state === state);
  if (pod.state === "failing") return first("failed") ?? pod.images[0];
  return first("pulling") ?? first("queued") ?? pod.images[0];
}

/** Return "about 40 s", "20 s to 1 min" or "3 min or more"; null without an estimate. */
export function estimateText(estimate: Estimate | null, nowMs: number): string | null {
  if (estimate === null) return null;
  const left = (atMs: number) => Math.max(0, (atMs - nowMs) / 1000);
  const [soonest, likely] = [left(estimate.soonestAtMs), left(estimate.likelyAtMs)];
  if (estimate.latestAtMs === null) return `${formatTimeLeft(likely).replace(/^about /, "")} or more`;
  const latest = left(estimate.latestAtMs);
  // Close bounds say no more than the figure between them.
  return latest - soonest <= Math.max(10, likely / 4) ? formatTimeLeft(likely) : formatTimeLeft(soonest, latest);
}

/** Follows the pod's name: "ready in about 40 s, waiting for pytorch:2.4 on node-3". */
export function podSentence(pod: Pod, rows: Rows, nowMs: number, thresholds: Thresholds): readonly Part[] {
  const image = currentImage(pod);
  if (pod.state === "ready") return [{ text: `images ready on ${pod.nodeName}` }];
  if (image === undefined) {
    const pulled = pod.state === "waiting" && pod.moreImages === 0;
    return [{ text: pulled ? `starting, images pulled, on ${pod.nodeName}` : `waiting for images on ${pod.nodeName}` }];
  }
  const name = { text: shortImage(image.image), strong: true };
  if (pod.state === "failing") {
    return [{ text: "cannot start: " }, name, { text: ` ${reasonWords(image.failure?.reason ?? "")}, on ${pod.nodeName}` }];
  }
  const row = rows.get(image.pullId);
  const stalled = row === undefined ? null : stalledSeconds(row, nowMs, thresholds);
  const left = estimateText(pod.estimate, nowMs);
  const ready = left === null ? "no estimate yet" : `ready in ${left}`;
  return [{ text: `${ready}, waiting for ` }, name, { text: ` on ${pod.nodeName}${behindText(image)}${moreText(pod)}` }, ...stallText(stalled, row?.pull.stale)];
}

function behindText({ state, behind }: PendingImage): string {
  if (state !== "queued") return "";
  const [first] = behind;
  if (first === undefined) return ", queued";
  const others = behind.length - 1;
  return `, queued behind ${shortImage(first.image)}${others > 0 ? ` and ${count(others, "other", "others")}` : ""}`;
}

function moreText({ images, moreImages }: Pod): string {
  const more = images.length + moreImages - 1;
  return more > 0 ? `, then ${count(more, "more image", "more images")}` : "";
}

function stallText(stalled: number | null, stale: boolean | undefined): Part[] {
  if (stale === true) return [{ text: "; agent not reporting" }];
  return stalled === null ? [] : [{ text: `; stalled: no data for ${formatAge(stalled)}` }];
}

export function asText(parts: readonly Part[]): string {
  return parts.map((part) => part.text).join("");
}
