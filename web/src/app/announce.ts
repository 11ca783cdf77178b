// What a screen reader is told: changes of phase and of the connection, and no more than a few sentences at a time.
import type { Connection } from "../data/stream";
import { imageLabel } from "../model/image";
import { hasEnded, type Pod } from "../model/types";
import type { Row } from "../model/cluster";
import { PHASE_WORDS } from "../model/words";

const MOST_SENTENCES = 3;

export function phaseChanges(before: ReadonlyMap<string, Row>, after: ReadonlyMap<string, Row>): string[] {
  const sentences: string[] = [];
  for (const [id, { pull }] of after) {
    const phaseBefore = before.get(id)?.pull.phase;
    if (phaseBefore === pull.phase) continue;
    const isNew = phaseBefore === undefined && !hasEnded(pull.phase);
    const what = isNew ? "started" : PHASE_WORDS[pull.phase].word.toLowerCase();
    sentences.push(`${imageLabel(pull)} on ${pull.nodeName}: ${what}`);
  }
  return sentences;
}

/** Pods that have got all their images, and pods that cannot. */
export function podChanges(before: ReadonlyMap<string, Pod>, after: ReadonlyMap<string, Pod>): string[] {
  const sentences: string[] = [];
  for (const [id, { podName, state }] of after) {
    const stateBefore = before.get(id)?.state;
    if (stateBefore === undefined || stateBefore === state) continue;
    if (state === "ready") sentences.push(`Pod ${podName} has its images`);
    if (state === "failing") sentences.push(`Pod ${podName} cannot get an image`);
  }
  return sentences;
}

export function connectionChange(before: Connection["kind"], after: Connection["kind"]): string[] {
  if (before === after) return [];
  if (after === "lost") return ["Connection to the server lost; reconnecting"];
  return before === "lost" && after === "live" ? ["Connection to the server is back"] : [];
}

export function summarise(sentences: readonly string[]): string {
  const rest = sentences.length - MOST_SENTENCES;
  const said = sentences.slice(0, MOST_SENTENCES).join(". ");
  return rest > 0 ? `${said}. And ${rest} more changes` : said;
}
