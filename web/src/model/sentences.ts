// The one plain sentence that says of a pod when it is ready and what it waits for.
import type { Due, Need, Pod } from "./types";
import type { Rows } from "./cluster";
import { stalledSeconds } from "./estimate";
import { count, formatAge, formatTimeLeft } from "./format";
import { shortImage } from "./image";
import { reasonWords } from "./words";

export interface Part {
  readonly text: string;
  readonly strong?: boolean;
}

/** The image that decides now: what is pulled, or else stands in the queue, or else comes next. */
export function currentNeed(pod: Pod): Need | undefined {
  const first = (state: Need["state"]) => pod.needs.find((need) => need.state === state);
  if (pod.state === "failing") return first("failed") ?? pod.needs[0];
  return first("pulling") ?? first("queued") ?? pod.needs[0];
}

/** "about 40 s", "20 s to 1 min", "3 min or more"; null when nobody can say. */
export function dueText(due: Due | null, nowMs: number): string | null {
  if (due === null) return null;
  const left = (atMs: number) => Math.max(0, (atMs - nowMs) / 1000);
  const [soonest, likely] = [left(due.soonestAtMs), left(due.likelyAtMs)];
  if (due.latestAtMs === null) return `${formatTimeLeft(likely).replace(/^about /, "")} or more`;
  const latest = left(due.latestAtMs);
  // Bounds that are close say no more than the figure between them.
  return latest - soonest <= Math.max(10, likely / 4) ? formatTimeLeft(likely) : formatTimeLeft(soonest, latest);
}

/** Follows the pod's name: "ready in about 40 s, waiting for pytorch:2.4 on node-3". */
export function podSentence(pod: Pod, rows: Rows, nowMs: number): readonly Part[] {
  const need = currentNeed(pod);
  if (pod.state === "ready") return [{ text: "has all its images on " }, { text: pod.nodeName }];
  if (need === undefined) {
    const pulled = pod.state === "waiting" && pod.moreNeeds === 0;
    return [{ text: pulled ? `starting, images pulled, on ${pod.nodeName}` : `waits for images on ${pod.nodeName}` }];
  }
  const image = { text: shortImage(need.image), strong: true };
  if (pod.state === "failing") {
    return [{ text: "cannot start: " }, image, { text: ` ${reasonWords(need.failure?.reason ?? "")}, on ${pod.nodeName}` }];
  }
  const pull = rows.get(need.pullId);
  const stalled = pull === undefined ? null : stalledSeconds(pull, nowMs);
  const left = dueText(pod.due, nowMs);
  const ready = left === null ? "ready at a time that is not known yet" : `ready in ${left}`;
  return [{ text: `${ready}, waiting for ` }, image, { text: ` on ${pod.nodeName}${behindText(need)}${moreText(pod)}` }, ...stallText(stalled, pull?.pull.stale)];
}

function behindText(need: Need): string {
  if (need.state !== "queued") return "";
  const [first] = need.behind;
  if (first === undefined) return ", queued";
  const others = need.behind.length - 1;
  return `, queued behind ${shortImage(first.image)}${others > 0 ? ` and ${count(others, "other", "others")}` : ""}`;
}

function moreText(pod: Pod): string {
  const more = pod.needs.length + pod.moreNeeds - 1;
  return more > 0 ? `, then ${count(more, "more image", "more images")}` : "";
}

function stallText(stalled: number | null, stale: boolean | undefined): Part[] {
  if (stale === true) return [{ text: "; the node's agent is silent" }];
  return stalled === null ? [] : [{ text: `; no byte has come for ${formatAge(stalled)}` }];
}

export function asText(parts: readonly Part[]): string {
  return parts.map((part) => part.text).join("");
}
