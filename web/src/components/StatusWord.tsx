import type { LayerState, Phase } from "../api/types";
import { LAYER_WORDS, PHASE_WORDS } from "../lib/words";
import { Icon, type IconName } from "./icons";
import styles from "./StatusWord.module.css";

const PHASE_ICONS: Readonly<Record<Phase, IconName>> = {
  resolving: "search",
  downloading: "download",
  unpacking: "unpack",
  completed: "check",
  failed: "cross",
  unknown: "question",
};

const LAYER_ICONS: Readonly<Record<LayerState, IconName>> = {
  queued: "clock",
  cached: "cached",
  downloading: "download",
  downloaded: "clock",
  unpacking: "unpack",
  done: "check",
  lazy: "cached",
};

/** Icon and word: the colour only repeats what they say. */
export function PhaseWord({ phase }: { phase: Phase }) {
  const { word, explanation } = PHASE_WORDS[phase];
  return (
    <span className={styles.phase} data-phase={phase} title={explanation}>
      <span className={styles.badge}>
        <Icon name={PHASE_ICONS[phase]} />
      </span>
      {word}
    </span>
  );
}

export function LayerWord({ state }: { state: LayerState }) {
  const { word, explanation } = LAYER_WORDS[state];
  return (
    <span className={styles.layer} data-state={state} title={explanation}>
      <Icon name={LAYER_ICONS[state]} />
      {word}
    </span>
  );
}
