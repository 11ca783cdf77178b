/*
 * Rows of the API as the page uses them: checked, and times as numbers. Fields keep the names of the JSON (api.ts, which
 * `npm run types` writes). A field in `…AtMs` is Unix milliseconds. `receivedAtMs`, `retryAtMs`, `reportedAtMs` and
 * estimates are on the page's steady clock (data/clock), all others on the clock of the node.
 */
import type { components } from "./api";

type Api = components["schemas"];

export type Phase = Api["Pull"]["phase"];
export type LayerState = Api["Layer"]["state"];
export type ImageState = Api["Need"]["state"];
export type PodState = Api["Pod"]["state"];

export type Layer = Omit<Api["Layer"], "pullId" | "percent">;

/** The owner of a pod; the pod itself if it has none. */
export type Workload = Api["Workload"];

/** A container that cannot start before the pull has ended. */
export type WaitingContainer = Omit<Api["WaitingContainer"], "workload">;

export interface Failure extends Omit<Api["Failure"], "reason" | "retryAt"> {
  /** One of a bounded list; a newer server may know more. */
  readonly reason: string;
  readonly retryAtMs: number | null;
}

type PullTime = "startedAt" | "progressedAt" | "completedAt";

export interface Pull
  extends Omit<Api["Pull"], PullTime | "repositories" | "percent" | "pods" | "etaSeconds" | "etaRangeSeconds" | "error" | "failure" | "reachedContainerd" | "digest" | "layers"> {
  /** Null without an estimate. Counts from `receivedAtMs`. */
  readonly etaSeconds: number | null;
  /** The bounds of the estimate; null while one figure is exact enough. */
  readonly etaRangeSeconds: readonly [number, number] | null;
  readonly startedAtMs: number | null;
  readonly progressedAtMs: number | null;
  readonly completedAtMs: number | null;
  readonly failure: Failure | null;
  /** False if only a pod reports the pull: the kubelet did not call containerd, or the call failed too quickly. */
  readonly reachedContainerd: boolean;
  /** "" while the reference is not resolved. */
  readonly digest: string;
  readonly pods: readonly WaitingContainer[];
  /** The arrival of this state. */
  readonly receivedAtMs: number;
}

/** When an image or a pod is expected to be ready. */
export interface Estimate {
  readonly likelyAtMs: number;
  readonly soonestAtMs: number;
  /** Null without an upper bound. */
  readonly latestAtMs: number | null;
}

/** A container's image that is not present yet. */
export interface PendingImage extends Omit<Api["Need"], "pullId" | "failure" | "etaSeconds" | "etaRangeSeconds"> {
  /** The row of its pull; "" while none is certain. */
  readonly pullId: string;
  /** The images that the node pulls before it, the running pull first. */
  readonly behind: readonly { readonly image: string; readonly pullId: string }[];
  readonly estimate: Estimate | null;
  readonly failure: Failure | null;
}

/** A pod that waits for images, or did so during the retention time. */
export interface Pod extends Pick<Api["Pod"], "namespace" | "podName" | "nodeName" | "workload" | "state"> {
  /** "namespace/name" */
  readonly id: string;
  readonly waitingSinceMs: number | null;
  readonly endedAtMs: number | null;
  readonly estimate: Estimate | null;
  /** In the kubelet's order of pulls; empty for a ready pod. */
  readonly images: readonly PendingImage[];
  /** The number of further pending images: the server lists a bounded number. */
  readonly moreImages: number;
}

export interface ClusterNode extends Omit<Api["Node"], "lastReportSeconds" | "trouble"> {
  readonly reportedAtMs: number;
  /** Why the agent cannot poll containerd; "" while it can. */
  readonly agentError: string;
}

/** Limits that the page shares with the agent, the Events and the metrics. */
export type Thresholds = Pick<Api["Thresholds"], "stalledSeconds" | "longSeconds" | "extrapolatedSeconds" | "retentionSeconds">;

/** Until the server's limits arrive nothing is stalled or long, and no report is extrapolated. */
export const NO_THRESHOLDS: Thresholds = { stalledSeconds: Infinity, longSeconds: Infinity, extrapolatedSeconds: 0, retentionSeconds: 0 };

export function hasEnded(phase: Phase): boolean {
  return phase === "completed" || phase === "failed" || phase === "unknown";
}

/** Whether a pod still waits for an image, with or without a failure. */
export function isPending({ state }: Pick<Pod, "state">): boolean {
  return state === "waiting" || state === "failing";
}

/** A state of the stream. */
export type Connection = { readonly kind: "connecting" } | { readonly kind: "live" } | { readonly kind: "lost"; readonly sinceMs: number };
