import { useMemo, useState } from "react";
import { nextTheme } from "../data/settings";
import type { Store } from "../data/store";
import { useCluster, useSelector, useStore } from "../data/useStore";
import { countsOf } from "../model/counts";
import { VIEWS } from "../model/route";
import { HistoryPage } from "../pages/history/HistoryPage";
import { NodesPage } from "../pages/nodes/NodesPage";
import { PullsPage } from "../pages/pulls/PullsPage";
import { RolloutPage } from "../pages/rollout/RolloutPage";
import { WaitingPage } from "../pages/waiting/WaitingPage";
import { Announcer } from "./Announcer";
import styles from "./App.module.css";
import { Help } from "./Help";
import { Notices } from "./Notices";
import { Problems } from "./Problems";
import { Summary } from "./Summary";
import { SEARCH_ID, Toolbar } from "./Toolbar";
import { TopBar, VIEW_WORDS } from "./TopBar";
import { moveAmongRows, useShortcuts, type Shortcuts } from "./useShortcuts";

const PAGES = { waiting: WaitingPage, pulls: PullsPage, nodes: NodesPage, rollout: RolloutPage, history: HistoryPage } as const;

export function App() {
  const store = useStore();
  const rows = useCluster("rows");
  const pods = useCluster("pods");
  const connection = useCluster("connection");
  const view = useSelector((state) => state.route.view);
  const shortcuts = useSelector((state) => state.shortcuts);
  const [helpOpen, setHelpOpen] = useState(false);
  const counts = useMemo(() => countsOf({ rows, pods }), [rows, pods]);
  const openHelp = () => setHelpOpen(true);
  const Page = PAGES[view];
  useShortcuts(shortcutsOf(store, openHelp), shortcuts);

  return (
    <>
      <Title />
      <a className={styles.skip} href="#main">
        Skip to rows
      </a>
      <TopBar counts={counts} onHelp={openHelp} />
      <main id="main" className={styles.main} data-lost={connection.kind === "lost"}>
        <Summary counts={counts} />
        <Notices />
        <Problems />
        <Toolbar />
        <Page />
      </main>
      <Announcer />
      <Help open={helpOpen} onClose={() => setHelpOpen(false)} />
    </>
  );
}

function shortcutsOf(store: Store, openHelp: () => void): Shortcuts {
  const views = VIEWS.map((view, index) => [String(index + 1), () => store.show(view)]);
  return {
    "/": () => document.getElementById(SEARCH_ID)?.focus(),
    "?": openHelp,
    p: () => store.setPaused(store.state.pausedAtMs === null),
    t: () => store.setTheme(nextTheme(store.state.theme)),
    j: () => moveAmongRows(1),
    k: () => moveAmongRows(-1),
    ArrowDown: () => moveAmongRows(1),
    ArrowUp: () => moveAmongRows(-1),
    ...(Object.fromEntries(views) as Shortcuts),
  };
}

/** The number of pending pods is first: a browser cuts titles. It comes with the samples, which a hidden page gets too. */
function Title() {
  const view = useSelector((state) => state.route.view);
  const pending = useSelector(({ cluster }) => cluster.samples.at(-1)?.waitingPods ?? 0);
  const name = view === "waiting" ? "Pulltrace" : `${VIEW_WORDS[view].word} · Pulltrace`;
  return <title>{pending > 0 ? `(${pending}) ${name}` : name}</title>;
}
