// The values of the HTTP API, as docs/http-api.md names them, after parse.ts has checked them. What ends in `AtMs`
// and says nothing else is Unix milliseconds on the clock of the node; `dueAtMs`, `retryAtMs` and `heardAtMs` are on the
// page's own steady clock (clock.ts), so that they can be counted down.

export const PHASES = ["resolving", "downloading", "unpacking", "completed", "failed", "unknown"] as const;
export type Phase = (typeof PHASES)[number];

export const LAYER_STATES = ["queued", "cached", "downloading", "downloaded", "unpacking", "done", "lazy"] as const;
export type LayerState = (typeof LAYER_STATES)[number];

export const NEED_STATES = ["needed", "queued", "pulling", "failed"] as const;
export type NeedState = (typeof NEED_STATES)[number];

export const POD_STATES = ["waiting", "failing", "ready", "gone"] as const;
export type PodState = (typeof POD_STATES)[number];

export interface Layer {
  readonly digest: string;
  readonly state: LayerState;
  readonly totalKnown: boolean;
  readonly totalBytes: number;
  readonly downloadedBytes: number;
}

/** What a pod belongs to; of kind "Pod" when nothing owns it. */
export interface Workload {
  readonly namespace: string;
  readonly kind: string;
  readonly name: string;
}

/** A container that cannot start before the pull has ended. */
export interface WaitingContainer {
  readonly namespace: string;
  readonly podName: string;
  readonly container: string;
  readonly image: string;
  readonly workload: Workload | null;
}

export interface Failure {
  /** One of a bounded list, such as "not_found". */
  readonly reason: string;
  readonly message: string;
  /** What to do, in one line. */
  readonly advice: string;
  readonly tries: number;
  readonly retryAtMs: number | null;
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
  /** At `heardAtMs`. */
  readonly etaSeconds: number | null;
  /** Its bounds while one figure would say too much. */
  readonly etaRangeSeconds: readonly [number, number] | null;
  readonly layerCount: number;
  readonly layersDone: number;
  readonly startedAtMs: number | null;
  readonly progressedAtMs: number | null;
  readonly completedAtMs: number | null;
  readonly failure: Failure | null;
  /** False for one of which only the pods tell: the kubelet never came as far as containerd. */
  readonly reachedContainerd: boolean;
  /** What the reference resolved to; "" while it is not known. */
  readonly digest: string;
  readonly pods: readonly WaitingContainer[];
  /** Only of a pull that the page has opened: those of thousands would weigh more than all the rest. */
  readonly layers: readonly Layer[];
  /** When this state arrived. */
  readonly heardAtMs: number;
}

/** When something is expected to be there. */
export interface Due {
  readonly likelyAtMs: number;
  readonly soonestAtMs: number;
  /** Null where nobody can say. */
  readonly latestAtMs: number | null;
}

/** An image that a pod waits for. */
export interface Need {
  readonly container: string;
  readonly role: string;
  readonly image: string;
  readonly state: NeedState;
  /** The row of its pull; "" when there is none for certain. */
  readonly pullId: string;
  /** What the node pulls before it, what is pulled now first. */
  readonly behind: readonly { readonly image: string; readonly pullId: string }[];
  readonly due: Due | null;
  readonly failure: Failure | null;
}

/** A pod that waits for images, or did so lately. */
export interface Pod {
  /** "namespace/name" */
  readonly id: string;
  readonly namespace: string;
  readonly podName: string;
  readonly nodeName: string;
  readonly workload: Workload;
  readonly state: PodState;
  readonly waitingSinceMs: number | null;
  readonly endedAtMs: number | null;
  readonly due: Due | null;
  /** In the order in which the kubelet pulls them; empty once it is ready. */
  readonly needs: readonly Need[];
  /** Images that the pod waits for beyond these; the server lists a bounded number. */
  readonly moreNeeds: number;
}

export interface ClusterNode {
  readonly nodeName: string;
  /** When its Lease last changed, on the page's clock. */
  readonly reportedAtMs: number;
  readonly stale: boolean;
  readonly bytesPerSec: number;
  readonly pulling: number;
  readonly queued: number;
  readonly failing: number;
  readonly parallel: boolean;
  /** Why its agent cannot say what is going on; "" when all is well. */
  readonly trouble: string;
}

/** A pull as it was told: its layers are looked at when somebody asks for them. */
export interface ToldPull extends Pull {
  readonly rawLayers: unknown;
}

/** What the stream says, one message at a time. */
export type Message =
  | {
      readonly kind: "snapshot";
      readonly synced: boolean;
      readonly pulls: readonly ToldPull[];
      /** Null from a server that knows nothing of pods. */
      readonly pods: readonly Pod[] | null;
      /** What to add to the server's clock to have the page's. */
      readonly serverOffsetMs: number;
    }
  | { readonly kind: "pull"; readonly pull: ToldPull }
  | { readonly kind: "pull-removed"; readonly id: string }
  | { readonly kind: "pod"; readonly pod: Pod }
  | { readonly kind: "pod-removed"; readonly id: string };

export function hasEnded(phase: Phase): boolean {
  return phase === "completed" || phase === "failed" || phase === "unknown";
}
