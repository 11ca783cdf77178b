import type { LayerState, ImageState, Phase, PodState } from "../model/types";
import { LAYER_WORDS, IMAGE_WORDS, PHASE_WORDS, POD_WORDS, STALE_REPORT, type Word } from "../model/words";
import { Icon, type IconName } from "./Icon";
import styles from "./Status.module.css";

export type Tone = "calm" | "busy" | "good" | "bad" | "warn";

interface Badge {
  readonly icon: IconName;
  readonly tone: Tone;
}

const PHASE_BADGES: Readonly<Record<Phase, Badge>> = {
  resolving: { icon: "search", tone: "busy" },
  downloading: { icon: "download", tone: "busy" },
  unpacking: { icon: "unpack", tone: "busy" },
  completed: { icon: "check", tone: "good" },
  failed: { icon: "cross", tone: "bad" },
  unknown: { icon: "question", tone: "warn" },
};

const LAYER_BADGES: Readonly<Record<LayerState, Badge>> = {
  queued: { icon: "clock", tone: "calm" },
  cached: { icon: "cached", tone: "good" },
  downloading: { icon: "download", tone: "busy" },
  downloaded: { icon: "clock", tone: "calm" },
  unpacking: { icon: "unpack", tone: "busy" },
  done: { icon: "check", tone: "good" },
  lazy: { icon: "cached", tone: "calm" },
};

const IMAGE_BADGES: Readonly<Record<ImageState, Badge>> = {
  needed: { icon: "clock", tone: "calm" },
  queued: { icon: "queue", tone: "calm" },
  pulling: { icon: "download", tone: "busy" },
  failed: { icon: "cross", tone: "bad" },
};

const POD_BADGES: Readonly<Record<PodState, Badge>> = {
  waiting: { icon: "clock", tone: "calm" },
  failing: { icon: "cross", tone: "bad" },
  ready: { icon: "check", tone: "good" },
  gone: { icon: "question", tone: "calm" },
};

/** Icon, word and an explanation as the title. The color only repeats the word. */
export function Status({ icon, tone, word, explanation, small }: Badge & Word & { small?: boolean | undefined }) {
  return (
    <span className={styles.status} data-tone={tone} data-small={small} title={explanation}>
      <span className={styles.badge}>
        <Icon name={icon} />
      </span>
      {word}
    </span>
  );
}

export function PhaseStatus({ phase }: { phase: Phase }) {
  return <Status {...PHASE_BADGES[phase]} {...PHASE_WORDS[phase]} />;
}

export function LayerStatus({ state }: { state: LayerState }) {
  return <Status {...LAYER_BADGES[state]} {...LAYER_WORDS[state]} small />;
}

export function ImageStatus({ state }: { state: ImageState }) {
  return <Status {...IMAGE_BADGES[state]} {...IMAGE_WORDS[state]} small />;
}

/** The icon alone, beside a sentence. */
export function PodIcon({ state, pulling }: { state: PodState; pulling: boolean }) {
  const badge = state === "waiting" && pulling ? IMAGE_BADGES.pulling : POD_BADGES[state];
  const { explanation } = POD_WORDS[state];
  return (
    <span className={styles.status} data-tone={badge.tone} title={explanation}>
      <span className={styles.badge}>
        <Icon name={badge.icon} />
      </span>
    </span>
  );
}

export function Stale() {
  return <Status icon="stale" tone="warn" word="agent not reporting" explanation={STALE_REPORT} small />;
}
