import { useMemo, useState } from "react";
import { countsOf } from "../model/counts";
import { VIEWS, type View } from "../model/place";
import { Announcer } from "./Announcer";
import styles from "./App.module.css";
import { Help } from "./Help";
import { useLive } from "../data/Live";
import { Notices } from "./Notices";
import { usePlace } from "../data/Place";
import { Problems } from "./Problems";
import { Summary } from "./Summary";
import { keep, recall, THEMES, useTheme } from "../ui/Theme";
import { SEARCH_ID, Toolbar } from "./Toolbar";
import { TopBar, VIEW_WORDS } from "./TopBar";
import { moveAmongRows, useKeys } from "./useKeys";
import { HistoryPage } from "../pages/history/HistoryPage";
import { NodesPage } from "../pages/nodes/NodesPage";
import { PullsPage } from "../pages/pulls/PullsPage";
import { RolloutPage } from "../pages/rollout/RolloutPage";
import { WaitingPage } from "../pages/waiting/WaitingPage";

const COMPONENTS = { waiting: WaitingPage, pulls: PullsPage, nodes: NodesPage, rollout: RolloutPage, history: HistoryPage } as const;
const KEYS_OFF_KEPT_AS = "pulltrace-keys-off";

export function App() {
  const { cluster, pausedAtMs, setPaused } = useLive();
  const { place, show } = usePlace();
  const { choice, choose } = useTheme();
  const [helpOpen, setHelpOpen] = useState(false);
  const [keysOn, setKeysOn] = useState(() => recall(KEYS_OFF_KEPT_AS) !== "yes");
  const { rows, pods } = cluster;
  const counts = useMemo(() => countsOf({ rows, pods }), [rows, pods]);
  const View = COMPONENTS[place.view];

  useKeys(
    {
      "/": () => document.getElementById(SEARCH_ID)?.focus(),
      "?": () => setHelpOpen(true),
      p: () => setPaused(pausedAtMs === null),
      t: () => choose(THEMES[(THEMES.indexOf(choice) + 1) % THEMES.length] ?? "system"),
      j: () => moveAmongRows(1),
      k: () => moveAmongRows(-1),
      ArrowDown: () => moveAmongRows(1),
      ArrowUp: () => moveAmongRows(-1),
      ...Object.fromEntries(VIEWS.map((view, index) => [String(index + 1), () => show(view)])),
    },
    keysOn,
  );

  return (
    <>
      <title>{titleOf(cluster.loaded, cluster.samples.at(-1)?.waitingPods ?? counts.waitingPods + counts.failingPods, place.view)}</title>
      <a className={styles.skip} href="#main">
        To the rows
      </a>
      <TopBar counts={counts} onHelp={() => setHelpOpen(true)} />
      <main id="main" className={styles.main} data-lost={cluster.connection.kind === "lost"}>
        <Summary counts={counts} />
        <Notices cluster={cluster} />
        <Problems cluster={cluster} />
        <Toolbar />
        <View />
      </main>
      <Announcer cluster={cluster} />
      <Help
        open={helpOpen}
        onClose={() => setHelpOpen(false)}
        keysOn={keysOn}
        onKeysOn={(on) => {
          keep(KEYS_OFF_KEPT_AS, on ? "no" : "yes");
          setKeysOn(on);
        }}
      />
    </>
  );
}

/** Read in a row of tabs: the number comes first. */
function titleOf(loaded: boolean, waiting: number, view: View): string {
  const name = view === "waiting" ? "Pulltrace" : `${VIEW_WORDS[view].word} · Pulltrace`;
  return loaded && waiting > 0 ? `(${waiting}) ${name}` : name;
}
