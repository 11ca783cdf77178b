/* Every running pull: image, node, phase, bytes, rate, time left, and waiting pods. */
import { useMemo } from "react";
import { useCluster, useRoute } from "../../data/useStore";
import { matchesPull } from "../../model/filter";
import { pullLabel } from "../../model/image";
import { runningRows, sortedRows } from "../../model/sorting";
import { Section } from "../../ui/Section";
import { SortHead } from "../../ui/Table";
import styles from "../../ui/Table.module.css";
import { useSteadyOrder } from "../../ui/useSteadyOrder";
import { VirtualRows } from "../../ui/VirtualRows";
import { EmptyState } from "../shared/EmptyState";
import { Legend } from "./Legend";
import { PullRow } from "./PullRow";

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
  const all = useCluster("rows");
  const route = useRoute();
  const running = useMemo(() => runningRows(all.values()), [all]);
  const shown = useMemo(
    () => running.filter(({ pull }) => (route.state === "" || pull.phase === route.state) && matchesPull(pull, route)),
    [running, route],
  );
  const sorted = useMemo(() => sortedRows(shown, route.sort, "started").map((row) => row.pull.id), [shown, route.sort]);
  const { order, handlers } = useSteadyOrder(sorted);
  const rows = order.flatMap((id) => all.get(id) ?? []);
  return (
    <Section title="Pulling now" note={shown.length < running.length ? `${shown.length} of ${running.length}` : `${running.length}`} side={<Legend />}>
      {rows.length === 0 ? (
        <EmptyState filtered={running.length > 0} quiet="No running pulls. A pull appears as soon as its agent reports it." />
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
            render={(row) => <PullRow row={row} open={route.open.includes(row.pull.id)} />}
          />
        </div>
      )}
    </Section>
  );
}
