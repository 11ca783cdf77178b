// Which rows are shown.
import type { ClusterNode, Pod, Pull } from "./types";
import { PHASE_WORDS, POD_WORDS, SILENT_AGENT } from "./words";

/** Every word must be somewhere in the texts; none at all fits everything. */
function fits(query: string, texts: () => readonly string[]): boolean {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return true;
  const shown = texts().join("\n").toLowerCase();
  return words.every((word) => shown.includes(word));
}

export interface Wanted {
  readonly query: string;
  readonly namespace: string;
}

export function matchesPull(pull: Pull, { query, namespace }: Wanted): boolean {
  if (namespace !== "" && !pull.pods.some((pod) => pod.namespace === namespace)) return false;
  return fits(query, () => [
    pull.imageRef,
    ...pull.imageCandidates,
    pull.nodeName,
    PHASE_WORDS[pull.phase].word,
    pull.stale ? SILENT_AGENT : "",
    pull.failure === null ? "" : `${pull.failure.reason} ${pull.failure.message}`,
    ...pull.pods.map((pod) => `${pod.namespace}/${pod.podName} ${pod.container} ${pod.image}`),
  ]);
}

export function matchesPod(pod: Pod, { query, namespace }: Wanted): boolean {
  if (namespace !== "" && pod.namespace !== namespace) return false;
  return fits(query, () => [
    pod.id,
    pod.nodeName,
    pod.workload.kind,
    pod.workload.name,
    POD_WORDS[pod.state].word,
    ...pod.needs.map((need) => `${need.image} ${need.failure?.reason ?? ""} ${need.failure?.message ?? ""}`),
  ]);
}

/** A node is also found by what it pulls. */
export function matchesNode(node: ClusterNode, pulls: readonly Pull[], wanted: Wanted): boolean {
  const { nodeName, trouble, stale } = node;
  if (wanted.namespace === "" && fits(wanted.query, () => [nodeName, trouble, stale ? SILENT_AGENT : ""])) return true;
  return pulls.some((pull) => matchesPull(pull, wanted));
}
