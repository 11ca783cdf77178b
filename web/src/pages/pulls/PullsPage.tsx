/* Every pull that runs: image, node, phase, bytes, rate, time left, and who waits. */
import { useMemo } from "react";
import { matchesPull } from "../../model/filter";
import { pullLabel } from "../../model/image";
import { heldOrder, runningRows, sortedRows } from "../../model/sorting";
import { EmptyState, whyEmpty } from "../shared/EmptyState";
import { Legend } from "./Legend";
import { useLive } from "../../data/Live";
import { usePlace } from "../../data/Place";
import { PullRow } from "./PullRow";
import { Section } from "../../ui/Section";
import { SortHead } from "../../ui/SortHead";
import styles from "../../ui/Table.module.css";
import { useHeld, useHold } from "../../ui/useHeld";
import { VirtualRows } from "../../ui/VirtualRows";

const COLUMNS = [
  { name: "phase", label: "State" },
  { name: "image", label: "Image" },
  { name: "node", label: "Node" },
  { name: "progress", label: "Progress" },
  { name: "rate", label: "Rate", right: true },
  { name: "left", label: "Time left", right: true },
  { name: "pods", label: "Waiting pods" },
] as const;

export function PullsPage() {
  const { cluster } = useLive();
  const { place } = usePlace();
  const { held, handlers } = useHold();
  const running = useMemo(() => runningRows(cluster.rows.values()), [cluster.rows]);
  const shown = useMemo(
    () => running.filter(({ pull }) => (place.state === "" || pull.phase === place.state) && matchesPull(pull, place)),
    [running, place],
  );
  const wanted = useMemo(() => sortedRows(shown, place.sort, "started").map((row) => row.pull.id), [shown, place.sort]);
  const order = useHeld(wanted, held, heldOrder);
  const rows = order.map((id) => cluster.rows.get(id)).filter((row) => row !== undefined);
  return (
    <Section title="Pulling now" note={shown.length < running.length ? `${shown.length} of ${running.length}` : `${running.length}`} side={<Legend />}>
      {rows.length === 0 ? (
        <EmptyState kind={whyEmpty(cluster, running.length > 0)} what="pulls" />
      ) : (
        <div className={styles.table} {...handlers} role="presentation">
          <SortHead className={styles.pulls} columns={COLUMNS} />
          <VirtualRows
            label="Running pulls"
            className={styles.list}
            rows={rows}
            keyOf={(row) => row.pull.id}
            estimatePx={() => 66}
            labelOf={(row) => pullLabel(row.pull)}
            render={(row) => <PullRow row={row} open={place.open.includes(row.pull.id)} />}
          />
        </div>
      )}
    </Section>
  );
}
