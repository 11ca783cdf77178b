// The search and the filters.
import type { ClusterNode, Pod, Pull } from "./types";
import { PHASE_WORDS, POD_WORDS, STALE_REPORT } from "./words";

/** Every word must be in one of the texts. */
function fits(query: string, texts: () => readonly string[]): boolean {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return true;
  const shown = texts().join("\n").toLowerCase();
  return words.every((word) => shown.includes(word));
}

export interface Filter {
  readonly query: string;
  readonly namespace: string;
}

export function matchesPull(pull: Pull, { query, namespace }: Filter): boolean {
  if (namespace !== "" && !pull.pods.some((pod) => pod.namespace === namespace)) return false;
  return fits(query, () => [
    pull.imageRef,
    ...pull.imageCandidates,
    pull.nodeName,
    PHASE_WORDS[pull.phase].word,
    pull.stale ? STALE_REPORT : "",
    pull.failure === null ? "" : `${pull.failure.reason} ${pull.failure.message}`,
    ...pull.pods.map((pod) => `${pod.namespace}/${pod.podName} ${pod.container} ${pod.image}`),
  ]);
}

export function matchesPod(pod: Pod, { query, namespace }: Filter): boolean {
  if (namespace !== "" && pod.namespace !== namespace) return false;
  return fits(query, () => [
    pod.id,
    pod.nodeName,
    pod.workload.kind,
    pod.workload.name,
    POD_WORDS[pod.state].word,
    ...pod.images.map(({ image, failure }) => `${image} ${failure?.reason ?? ""} ${failure?.message ?? ""}`),
  ]);
}

/** A node also matches by its pulls. */
export function matchesNode(node: ClusterNode, pulls: readonly Pull[], filter: Filter): boolean {
  const { nodeName, agentError, stale } = node;
  if (filter.namespace === "" && fits(filter.query, () => [nodeName, agentError, stale ? STALE_REPORT : ""])) return true;
  return pulls.some((pull) => matchesPull(pull, filter));
}
