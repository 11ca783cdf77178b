// The values of /api/v1/pulls and /api/v1/events, as docs/http-api.md names them, after parse.ts has checked them.

export const PHASES = ["resolving", "downloading", "unpacking", "completed", "failed", "unknown"] as const;
export type Phase = (typeof PHASES)[number];

export const LAYER_STATES = ["queued", "cached", "downloading", "downloaded", "unpacking", "done", "lazy"] as const;
export type LayerState = (typeof LAYER_STATES)[number];

export interface Layer {
  readonly digest: string;
  readonly state: LayerState;
  readonly totalKnown: boolean;
  readonly totalBytes: number;
  readonly downloadedBytes: number;
}

/** A container that cannot start before the pull has ended. */
export interface WaitingContainer {
  readonly namespace: string;
  readonly podName: string;
  readonly container: string;
  readonly image: string;
}

export interface Pull {
  readonly id: string;
  readonly nodeName: string;
  /** The name when `nameKnown`, else the repository, else "". */
  readonly imageRef: string;
  readonly nameKnown: boolean;
  readonly imageCandidates: readonly string[];
  readonly phase: Phase;
  readonly stale: boolean;
  readonly totalKnown: boolean;
  readonly totalBytes: number;
  readonly downloadedBytes: number;
  readonly cachedBytes: number;
  /** Layers that a lazy snapshotter fetches when they are read. */
  readonly lazyBytes: number;
  readonly unpackedBytes: number;
  readonly bytesPerSec: number;
  readonly etaSeconds: number | null;
  /** Its bounds while one figure would say too much. */
  readonly etaRangeSeconds: readonly [number, number] | null;
  readonly layerCount: number;
  readonly layersDone: number;
  /** Unix milliseconds on the clock of the node. */
  readonly startedAtMs: number | null;
  readonly progressedAtMs: number | null;
  readonly completedAtMs: number | null;
  readonly error: string;
  /** What the reference resolved to; "" while it is not known. */
  readonly digest: string;
  readonly pods: readonly WaitingContainer[];
  readonly layers: readonly Layer[];
}

/** What the stream says, one message at a time. */
export type Message =
  | { readonly kind: "snapshot"; readonly synced: boolean; readonly pulls: readonly Pull[] }
  | { readonly kind: "upsert"; readonly pull: Pull }
  | { readonly kind: "removed"; readonly id: string };
