/* Pulls that have ended within the history time, well or badly, and how long each phase took where that was seen. */
import { useMemo } from "react";
import { matchesPull } from "../../model/filter";
import { pullLabel } from "../../model/image";
import { endedRows, heldOrder, sortedRows } from "../../model/sorting";
import { EmptyState, whyEmpty } from "../shared/EmptyState";
import { EndedRow } from "./EndedRow";
import { useLive } from "../../data/Live";
import { usePlace } from "../../data/Place";
import { Section } from "../../ui/Section";
import { SortHead } from "../../ui/SortHead";
import styles from "../../ui/Table.module.css";
import { useHeld, useHold } from "../../ui/useHeld";
import { VirtualRows } from "../../ui/VirtualRows";

const COLUMNS = [
  { name: "phase", label: "Outcome" },
  { name: "image", label: "Image" },
  { name: "node", label: "Node" },
  { name: "size", label: "Size", right: true },
  { name: "duration", label: "How long it took" },
  { name: "ended", label: "Ended", right: true },
] as const;

export function HistoryPage() {
  const { cluster } = useLive();
  const { place } = usePlace();
  const { held, handlers } = useHold();
  const ended = useMemo(() => endedRows(cluster.rows.values()), [cluster.rows]);
  const shown = useMemo(
    () => ended.filter(({ pull }) => (place.state === "" || pull.phase === place.state) && matchesPull(pull, place)),
    [ended, place],
  );
  const wanted = useMemo(() => sortedRows(shown, place.sort, "ended").map((row) => row.pull.id), [shown, place.sort]);
  const order = useHeld(wanted, held, heldOrder);
  const rows = order.map((id) => cluster.rows.get(id)).filter((row) => row !== undefined);
  const longestMs = useMemo(() => Math.max(1, ...shown.map(({ pull }) => (pull.completedAtMs ?? 0) - (pull.startedAtMs ?? pull.completedAtMs ?? 0))), [shown]);
  return (
    <Section title="Finished and failed" note={shown.length < ended.length ? `${shown.length} of ${ended.length}` : `${ended.length}`}>
      {rows.length === 0 ? (
        <EmptyState kind={whyEmpty(cluster, ended.length > 0)} what="ended" />
      ) : (
        <div className={styles.table} {...handlers} role="presentation">
          <SortHead className={styles.ended} columns={COLUMNS} />
          <VirtualRows
            label="Finished and failed pulls"
            className={styles.list}
            rows={rows}
            keyOf={(row) => row.pull.id}
            estimatePx={() => 62}
            labelOf={(row) => pullLabel(row.pull)}
            render={(row) => <EndedRow row={row} open={place.open.includes(row.pull.id)} longestMs={longestMs} />}
          />
        </div>
      )}
    </Section>
  );
}
