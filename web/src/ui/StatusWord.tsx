import type { LayerState, NeedState, Phase, PodState } from "../model/types";
import { LAYER_WORDS, NEED_WORDS, PHASE_WORDS, POD_WORDS, SILENT_AGENT, type Word } from "../model/words";
import { Icon, type IconName } from "./Icon";
import styles from "./StatusWord.module.css";

export type Tone = "calm" | "busy" | "good" | "bad" | "warn";

interface Look {
  readonly icon: IconName;
  readonly tone: Tone;
}

const PHASE_LOOKS: Readonly<Record<Phase, Look>> = {
  resolving: { icon: "search", tone: "busy" },
  downloading: { icon: "download", tone: "busy" },
  unpacking: { icon: "unpack", tone: "busy" },
  completed: { icon: "check", tone: "good" },
  failed: { icon: "cross", tone: "bad" },
  unknown: { icon: "question", tone: "warn" },
};

const LAYER_LOOKS: Readonly<Record<LayerState, Look>> = {
  queued: { icon: "clock", tone: "calm" },
  cached: { icon: "cached", tone: "good" },
  downloading: { icon: "download", tone: "busy" },
  downloaded: { icon: "clock", tone: "calm" },
  unpacking: { icon: "unpack", tone: "busy" },
  done: { icon: "check", tone: "good" },
  lazy: { icon: "cached", tone: "calm" },
};

const NEED_LOOKS: Readonly<Record<NeedState, Look>> = {
  needed: { icon: "clock", tone: "calm" },
  queued: { icon: "queue", tone: "calm" },
  pulling: { icon: "download", tone: "busy" },
  failed: { icon: "cross", tone: "bad" },
};

const POD_LOOKS: Readonly<Record<PodState, Look>> = {
  waiting: { icon: "clock", tone: "calm" },
  failing: { icon: "cross", tone: "bad" },
  ready: { icon: "check", tone: "good" },
  gone: { icon: "question", tone: "calm" },
};

/** Icon and word, and what it means when pointed at: the colour only repeats what they say. */
export function Status({ icon, tone, word, explanation, small }: Look & Word & { small?: boolean | undefined }) {
  return (
    <span className={styles.status} data-tone={tone} data-small={small} title={explanation}>
      <span className={styles.badge}>
        <Icon name={icon} />
      </span>
      {word}
    </span>
  );
}

export function PhaseWord({ phase, small }: { phase: Phase; small?: boolean }) {
  return <Status {...PHASE_LOOKS[phase]} {...PHASE_WORDS[phase]} small={small} />;
}

export function LayerWord({ state }: { state: LayerState }) {
  return <Status {...LAYER_LOOKS[state]} {...LAYER_WORDS[state]} small />;
}

export function NeedWord({ state }: { state: NeedState }) {
  return <Status {...NEED_LOOKS[state]} {...NEED_WORDS[state]} small />;
}

/** The icon alone, where a sentence beside it says the word. */
export function PodIcon({ state, pulling }: { state: PodState; pulling: boolean }) {
  const look = state === "waiting" && pulling ? NEED_LOOKS.pulling : POD_LOOKS[state];
  const { explanation } = POD_WORDS[state];
  return (
    <span className={styles.status} data-tone={look.tone} title={explanation}>
      <span className={styles.badge}>
        <Icon name={look.icon} />
      </span>
    </span>
  );
}

export function Silent() {
  return <Status icon="silent" tone="warn" word="agent silent" explanation={SILENT_AGENT} small />;
}
