/* Pulls that ended during the retention time, and the duration of each phase if the page watched it. */
import { useMemo } from "react";
import { useCluster, useRoute } from "../../data/useStore";
import { matchesPull } from "../../model/filter";
import { pullLabel } from "../../model/image";
import { endedRows, sortedRows } from "../../model/sorting";
import { retentionText } from "../../model/words";
import { Section } from "../../ui/Section";
import { SortHead } from "../../ui/Table";
import styles from "../../ui/Table.module.css";
import { useSteadyOrder } from "../../ui/useSteadyOrder";
import { VirtualRows } from "../../ui/VirtualRows";
import { EmptyState } from "../shared/EmptyState";
import { EndedRow } from "./EndedRow";

const COLUMNS = [
  { name: "phase", label: "Outcome" },
  { name: "image", label: "Image" },
  { name: "node", label: "Node" },
  { name: "size", label: "Size", right: true },
  { name: "duration", label: "Duration" },
  { name: "ended", label: "Ended", right: true },
] as const;

export function HistoryPage() {
  const all = useCluster("rows");
  const thresholds = useCluster("thresholds");
  const route = useRoute();
  const ended = useMemo(() => endedRows(all.values()), [all]);
  const shown = useMemo(
    () => ended.filter(({ pull }) => (route.state === "" || pull.phase === route.state) && matchesPull(pull, route)),
    [ended, route],
  );
  const sorted = useMemo(() => sortedRows(shown, route.sort, "ended").map((row) => row.pull.id), [shown, route.sort]);
  const { order, handlers } = useSteadyOrder(sorted);
  const rows = order.flatMap((id) => all.get(id) ?? []);
  const longestMs = useMemo(() => Math.max(1, ...shown.map(({ pull }) => (pull.completedAtMs ?? 0) - (pull.startedAtMs ?? pull.completedAtMs ?? 0))), [shown]);
  return (
    <Section title="Ended pulls" note={shown.length < ended.length ? `${shown.length} of ${ended.length}` : `${ended.length}`}>
      {rows.length === 0 ? (
        <EmptyState filtered={ended.length > 0} quiet={`No ended pulls (${retentionText(thresholds)}).`} />
      ) : (
        <div className={styles.table} {...handlers} role="presentation">
          <SortHead className={styles.ended} columns={COLUMNS} />
          <VirtualRows
            label="Ended pulls"
            className={styles.list}
            rows={rows}
            keyOf={(row) => row.pull.id}
            estimatePx={() => 62}
            labelOf={(row) => pullLabel(row.pull)}
            render={(row) => <EndedRow row={row} open={route.open.includes(row.pull.id)} longestMs={longestMs} />}
          />
        </div>
      )}
    </Section>
  );
}
