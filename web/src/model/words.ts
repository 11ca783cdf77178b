// The word and the one-sentence explanation of each state.
import type { ImageState, LayerState, Phase, PodState, Thresholds } from "./types";

export interface Word {
  readonly word: string;
  readonly explanation: string;
}

export const PHASE_WORDS: Readonly<Record<Phase, Word>> = {
  resolving: { word: "Resolving", explanation: "The registry resolves the name; the size is not known yet." },
  downloading: { word: "Downloading", explanation: "Layers are downloading to the node." },
  unpacking: { word: "Unpacking", explanation: "All bytes are on the node; layers are unpacking to its disk." },
  completed: { word: "Completed", explanation: "The image is on the node." },
  failed: { word: "Failed", explanation: "The pull ended and the image is not on the node." },
  unknown: { word: "Unknown", explanation: "The pull ended without a reported outcome." },
};

export const LAYER_WORDS: Readonly<Record<LayerState, Word>> = {
  queued: { word: "Queued", explanation: "containerd downloads only a few layers at a time." },
  cached: { word: "Cached", explanation: "Was on the node before this pull." },
  downloading: { word: "Downloading", explanation: "Downloading to the node." },
  downloaded: { word: "Downloaded", explanation: "Lower layers must be unpacked first." },
  unpacking: { word: "Unpacking", explanation: "Unpacking to the node's disk." },
  done: { word: "Done", explanation: "Downloaded and unpacked." },
  lazy: { word: "Lazy", explanation: "Usable, but not on the node: the snapshotter loads its bytes on demand." },
};

export const IMAGE_WORDS: Readonly<Record<ImageState, Word>> = {
  needed: { word: "Not requested yet", explanation: "Other images of the pod, or its init containers, come first." },
  queued: { word: "Queued", explanation: "The kubelet has requested it; other pulls on the node come first." },
  pulling: { word: "Pulling", explanation: "The node is pulling it." },
  failed: { word: "Failed", explanation: "The last attempt failed." },
};

export const POD_WORDS: Readonly<Record<PodState, Word>> = {
  waiting: { word: "Waiting", explanation: "Some of its images are not on the node yet." },
  failing: { word: "Cannot start", explanation: "The last attempt to pull an image failed." },
  ready: { word: "Images ready", explanation: "All its images are on the node." },
  gone: { word: "Gone", explanation: "Deleted before its images were ready." },
};

/** A failure, to follow the image's name: "payments:v3 was not found in the registry". */
const REASON_WORDS: Readonly<Record<string, string>> = {
  not_found: "was not found in the registry",
  unauthorized: "needs credentials: the pod has none, or wrong ones",
  forbidden: "is not readable with the pod's credentials",
  rate_limited: "was refused: the registry's rate limit is reached",
  registry_unreachable: "cannot be pulled: the registry does not respond",
  tls: "cannot be pulled: the registry's certificate is not trusted",
  timeout: "cannot be pulled: the registry timed out",
  no_space: "does not fit on the node's disk",
  no_matching_platform: "has no variant for the node's platform",
  invalid_name: "is not a valid image name (must be lowercase)",
  never_pull: "is not on the node, and the pull policy is Never",
  digest_mismatch: "arrived corrupted: its digest does not match",
  cancelled: "was cancelled",
};

export function reasonWords(reason: string): string {
  return REASON_WORDS[reason] ?? "could not be pulled";
}

export const STALE_REPORT = "The node's agent has not reported in time. This is its last report.";

/** "last 30 minutes": how long ended pulls and ready pods stay listed. */
export function retentionText({ retentionSeconds }: Thresholds): string {
  return retentionSeconds === 0 ? "recently" : `last ${Math.round(retentionSeconds / 60)} minutes`;
}
