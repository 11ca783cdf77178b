import type { Counts } from "../model/counts";
import { VIEWS, type View } from "../model/place";
import { Freshness } from "./Freshness";
import { Icon, type IconName } from "../ui/Icon";
import { useLive } from "../data/Live";
import { Logo } from "./Logo";
import { usePlace } from "../data/Place";
import { THEMES, useTheme } from "../ui/Theme";
import styles from "./TopBar.module.css";

export const VIEW_WORDS: Readonly<Record<View, { word: string; icon: IconName }>> = {
  waiting: { word: "Waiting", icon: "clock" },
  pulls: { word: "Pulls", icon: "download" },
  nodes: { word: "Nodes", icon: "node" },
  rollout: { word: "Roll-out", icon: "grid" },
  history: { word: "History", icon: "history" },
};

const THEME_ICONS = { system: "auto", light: "sun", dark: "moon" } as const;

export function TopBar({ counts, onHelp }: { counts: Counts; onHelp: () => void }) {
  const { pausedAtMs, setPaused } = useLive();
  const { choice, choose } = useTheme();
  const nextTheme = THEMES[(THEMES.indexOf(choice) + 1) % THEMES.length] ?? "system";
  const paused = pausedAtMs !== null;
  return (
    <header className={styles.bar}>
      <div className={styles.inner}>
        <h1 className={styles.name}>
          <Logo />
          Pulltrace
        </h1>
        <Views counts={counts} />
        <div className={styles.side}>
          <Freshness />
          <button type="button" className={styles.tool} aria-pressed={paused} title={paused ? "Go on (p)" : "Hold still (p)"} aria-label="Pause" onClick={() => setPaused(!paused)}>
            <Icon name={paused ? "play" : "pause"} />
          </button>
          <button type="button" className={styles.tool} title={`Colours: ${choice} (t)`} aria-label={`Colours: ${choice}. Change to ${nextTheme}`} onClick={() => choose(nextTheme)}>
            <Icon name={THEME_ICONS[choice]} />
          </button>
          <button type="button" className={styles.tool} title="Help (?)" aria-label="Help" onClick={onHelp}>
            <Icon name="help" />
          </button>
        </div>
      </div>
    </header>
  );
}

function Views({ counts }: { counts: Counts }) {
  const { place, show } = usePlace();
  const { cluster } = useLive();
  const numbers: Partial<Record<View, number>> = { waiting: counts.waitingPods + counts.failingPods, pulls: counts.pulling };
  return (
    <nav className={styles.views} aria-label="Views">
      {VIEWS.map((view) => (
        <button key={view} type="button" aria-current={view === place.view ? "page" : undefined} onClick={() => show(view)}>
          <Icon name={VIEW_WORDS[view].icon} />
          <span>{VIEW_WORDS[view].word}</span>
          {cluster.loaded && (numbers[view] ?? 0) > 0 && <span className={styles.number}>{numbers[view]}</span>}
        </button>
      ))}
    </nav>
  );
}
