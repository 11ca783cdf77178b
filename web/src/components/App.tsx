import { useDeferredValue, useMemo, useState } from "react";
import { matches } from "../lib/filter";
import { countPulls, endedRows, runningRows } from "../lib/pulls";
import { Announcer } from "./Announcer";
import styles from "./App.module.css";
import { EndedSection } from "./EndedSection";
import { FilterField } from "./FilterField";
import { Header } from "./Header";
import { Legend } from "./Legend";
import { Notices } from "./Notices";
import { useLivePulls } from "./PullsProvider";
import { RunningSection } from "./RunningSection";

export function App() {
  const { pulls, connection } = useLivePulls();
  const [filter, setFilter] = useState("");
  const appliedFilter = useDeferredValue(filter);

  const counts = useMemo(() => countPulls(pulls.rows.values()), [pulls.rows]);
  const running = useMemo(() => runningRows(pulls.rows.values()), [pulls.rows]);
  const ended = useMemo(() => endedRows(pulls.rows.values()), [pulls.rows]);
  const shownRunning = useMemo(() => running.filter((row) => matches(row.pull, appliedFilter)), [running, appliedFilter]);
  const shownEnded = useMemo(() => ended.filter((row) => matches(row.pull, appliedFilter)), [ended, appliedFilter]);

  return (
    <>
      <title>{pulls.loaded && counts.pulling > 0 ? `${counts.pulling} pulling · Pulltrace` : "Pulltrace"}</title>
      <Header counts={counts} connection={connection} known={pulls.loaded} />
      <main className={styles.main} data-lost={connection.kind === "lost"}>
        <Notices pulls={pulls} connection={connection} />
        <div className={styles.toolbar}>
          <FilterField value={filter} onChange={setFilter} />
          <Legend />
        </div>
        <RunningSection
          rows={shownRunning}
          total={running.length}
          pulls={pulls}
          connection={connection}
          filter={appliedFilter}
          onClearFilter={() => setFilter("")}
        />
        <EndedSection rows={shownEnded} total={ended.length} />
      </main>
      <Announcer pulls={pulls} connection={connection} />
    </>
  );
}
