// Sentences for screen readers: changes of phases, pods and the connection, a few at a time.
import type { Pods, Rows } from "../model/cluster";
import { pullLabel } from "../model/image";
import { hasEnded, type Connection } from "../model/types";
import { PHASE_WORDS } from "../model/words";

const MAX_SENTENCES = 3;

export function phaseChanges(before: Rows, after: Rows): string[] {
  const sentences: string[] = [];
  for (const [id, { pull }] of after) {
    const phaseBefore = before.get(id)?.pull.phase;
    if (phaseBefore === pull.phase) continue;
    const started = phaseBefore === undefined && !hasEnded(pull.phase);
    sentences.push(`${pullLabel(pull)}: ${started ? "started" : PHASE_WORDS[pull.phase].word.toLowerCase()}`);
  }
  return sentences;
}

export function podChanges(before: Pods, after: Pods): string[] {
  const sentences: string[] = [];
  for (const [id, { podName, state }] of after) {
    const stateBefore = before.get(id)?.state;
    if (stateBefore === undefined || stateBefore === state) continue;
    if (state === "ready") sentences.push(`Images of pod ${podName} are ready`);
    if (state === "failing") sentences.push(`Pod ${podName} cannot start`);
  }
  return sentences;
}

export function connectionChange(before: Connection["kind"], after: Connection["kind"]): string[] {
  if (before === after) return [];
  if (after === "lost") return ["Connection to the server lost; reconnecting"];
  return before === "lost" && after === "live" ? ["Connection to the server restored"] : [];
}

export function summarize(sentences: readonly string[]): string {
  const rest = sentences.length - MAX_SENTENCES;
  const first = sentences.slice(0, MAX_SENTENCES).join(". ");
  return rest > 0 ? `${first}. And ${rest} more changes` : first;
}
