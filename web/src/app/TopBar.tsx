import { nextTheme } from "../data/settings";
import { useCluster, useSelector, useStore } from "../data/useStore";
import type { Counts } from "../model/counts";
import { VIEWS, type View } from "../model/route";
import { Icon, type IconName } from "../ui/Icon";
import { Freshness } from "./Freshness";
import { Logo } from "./Logo";
import styles from "./TopBar.module.css";

export const VIEW_WORDS: Readonly<Record<View, { word: string; icon: IconName }>> = {
  waiting: { word: "Waiting", icon: "clock" },
  pulls: { word: "Pulls", icon: "download" },
  nodes: { word: "Nodes", icon: "node" },
  rollout: { word: "Rollout", icon: "grid" },
  history: { word: "History", icon: "history" },
};

const THEME_ICONS = { system: "auto", light: "sun", dark: "moon" } as const;

export function TopBar({ counts, onHelp }: { counts: Counts; onHelp: () => void }) {
  const store = useStore();
  const theme = useSelector((state) => state.theme);
  const paused = useSelector((state) => state.pausedAtMs !== null);
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
          <button type="button" className={styles.tool} aria-pressed={paused} title={paused ? "Resume (p)" : "Pause (p)"} aria-label="Pause" onClick={() => store.setPaused(!paused)}>
            <Icon name={paused ? "play" : "pause"} />
          </button>
          <button type="button" className={styles.tool} title={`Theme: ${theme} (t)`} aria-label={`Theme: ${theme}. Change to ${nextTheme(theme)}`} onClick={() => store.setTheme(nextTheme(theme))}>
            <Icon name={THEME_ICONS[theme]} />
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
  const store = useStore();
  const current = useSelector((state) => state.route.view);
  const loaded = useCluster("loaded");
  const numbers: Partial<Record<View, number>> = { waiting: counts.waitingPods + counts.failingPods, pulls: counts.pulling };
  return (
    <nav className={styles.views} aria-label="Views">
      {VIEWS.map((view) => (
        <button key={view} type="button" aria-current={view === current ? "page" : undefined} onClick={() => store.show(view)}>
          <Icon name={VIEW_WORDS[view].icon} />
          <span>{VIEW_WORDS[view].word}</span>
          {loaded && (numbers[view] ?? 0) > 0 && <span className={styles.number}>{numbers[view]}</span>}
        </button>
      ))}
    </nav>
  );
}
