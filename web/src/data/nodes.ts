// `GET api/v1/nodes`, which is asked for again and again: nodes are few and change slowly.
import { steadyNowMs } from "./clock";
import { parseNodes } from "./decode";
import type { ClusterNode } from "../model/types";

const NODES_PATH = "api/v1/nodes";
const LONGEST_WAIT_MS = 10_000;

export async function fetchText(url: string): Promise<string | null> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(LONGEST_WAIT_MS) });
    return answer.ok || answer.status === 404 ? await answer.text() : null;
  } catch {
    return null;
  }
}

/** The nodes; null from a server that does not know them; undefined when there was no answer. */
export async function fetchNodes(
  base: string,
  { fetchText }: { readonly fetchText: (url: string) => Promise<string | null> },
): Promise<readonly ClusterNode[] | null | undefined> {
  const body = await fetchText(new URL(NODES_PATH, base).href);
  return body === null ? undefined : parseNodes(body, steadyNowMs());
}
