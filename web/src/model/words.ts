// The words and the one-sentence explanations of states, in one place.
import type { LayerState, NeedState, Phase, PodState } from "./types";

export interface Word {
  readonly word: string;
  readonly explanation: string;
}

export const PHASE_WORDS: Readonly<Record<Phase, Word>> = {
  resolving: {
    word: "Resolving",
    explanation: "The registry is being asked what the name means; the size is not known yet.",
  },
  downloading: { word: "Downloading", explanation: "Layers are on their way to the node." },
  unpacking: { word: "Unpacking", explanation: "Every byte is on the node; layers are being written to its disk." },
  completed: { word: "Completed", explanation: "The image is on the node." },
  failed: { word: "Failed", explanation: "The pull ended and the image is not on the node." },
  unknown: { word: "Unknown", explanation: "The pull ended while nobody could see how." },
};

export const LAYER_WORDS: Readonly<Record<LayerState, Word>> = {
  queued: { word: "Queued", explanation: "Waits for its turn: only a few layers are downloaded at a time." },
  cached: { word: "Cached", explanation: "Was on the node before this pull began." },
  downloading: { word: "Downloading", explanation: "On its way to the node." },
  downloaded: { word: "Downloaded", explanation: "All of it is here; waits for the layers below it to be unpacked." },
  unpacking: { word: "Unpacking", explanation: "Is being written to the node's disk." },
  done: { word: "Done", explanation: "Downloaded and unpacked." },
  lazy: { word: "Lazy", explanation: "Usable, but not on the node: its bytes are fetched from the registry when they are read." },
};

export const NEED_WORDS: Readonly<Record<NeedState, Word>> = {
  needed: { word: "Not asked for", explanation: "Other images of the pod, or its init containers, come first." },
  queued: { word: "Queued", explanation: "The kubelet has asked for it, and other pulls of the node come first." },
  pulling: { word: "Pulling", explanation: "It is on its way to the node." },
  failed: { word: "Failed", explanation: "The last try has failed." },
};

export const POD_WORDS: Readonly<Record<PodState, Word>> = {
  waiting: { word: "Waiting", explanation: "Some of its images are not on the node yet." },
  failing: { word: "Cannot start", explanation: "An image could not be pulled the last time." },
  ready: { word: "Has its images", explanation: "All its images are on the node." },
  gone: { word: "Gone", explanation: "It was deleted before it had its images." },
};

/** What failed, to stand after the image's name: "payments:v3 was not found in the registry". */
const REASON_WORDS: Readonly<Record<string, string>> = {
  not_found: "was not found in the registry",
  unauthorized: "needs credentials that the pod does not have",
  forbidden: "may not be read with the pod's credentials",
  rate_limited: "was refused: the registry's rate limit is reached",
  registry_unreachable: "cannot be fetched: the registry does not answer",
  tls: "cannot be fetched: the registry's certificate is not trusted",
  timeout: "cannot be fetched: the registry took too long",
  no_space: "does not fit on the node's disk",
  no_matching_platform: "is not made for the node's platform",
  invalid_name: "is no valid image name",
  never_pull: "is not on the node, and the pod forbids to pull it",
  digest_mismatch: "arrived damaged: its digest does not match",
  cancelled: "was cancelled",
};

export function reasonWords(reason: string): string {
  return REASON_WORDS[reason] ?? "could not be pulled";
}

export const SILENT_AGENT = "The agent of this node has not reported in time: this is the last that was heard.";
