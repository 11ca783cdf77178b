// The words and the one-sentence explanations of phases and layer states, in one place.
import type { LayerState, Phase } from "../api/types";

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

export const SILENT_AGENT = "The agent of this node has not reported in time: this is the last that was heard.";
