import type { Pull } from "../api/types";
import { PHASE_WORDS } from "./words";

/** True when every word of the filter is somewhere in what the row shows. */
export function matches(pull: Pull, filter: string): boolean {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return true;
  const shown = [
    pull.imageRef,
    ...pull.imageCandidates,
    pull.nodeName,
    PHASE_WORDS[pull.phase].word,
    pull.stale ? "agent silent" : "",
    pull.error,
    ...pull.pods.map((pod) => `${pod.namespace}/${pod.podName} ${pod.container}`),
  ]
    .join("\n")
    .toLowerCase();
  return words.every((word) => shown.includes(word));
}
