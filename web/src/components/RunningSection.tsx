import type { Connection } from "../api/stream";
import type { Pulls, Row } from "../lib/pulls";
import { EmptyState } from "./EmptyState";
import { PullRow } from "./PullRow";
import { RowList } from "./RowList";
import rowStyles from "./Rows.module.css";
import { Section } from "./Section";

interface RunningSectionProps {
  /** The rows that pass the filter. */
  readonly rows: readonly Row[];
  /** How many there are without it. */
  readonly total: number;
  readonly pulls: Pulls;
  readonly connection: Connection;
  readonly filter: string;
  readonly onClearFilter: () => void;
}

export function RunningSection({ rows, total, pulls, connection, filter, onClearFilter }: RunningSectionProps) {
  return (
    <Section title="Pulling now" note={total > rows.length ? `${rows.length} of ${total}` : total > 0 ? `${total}` : ""}>
      {rows.length > 0 ? (
        <>
          <Heads />
          <RowList label="Running pulls" rows={rows} render={(row) => <PullRow key={row.pull.id} row={row} />} />
        </>
      ) : (
        <EmptyState
          kind={total > 0 ? "filtered" : pulls.loaded ? (pulls.synced ? "quiet" : "unsynced") : connection.kind === "lost" ? "unreachable" : "loading"}
          filter={filter}
          onClearFilter={onClearFilter}
        />
      )}
    </Section>
  );
}

/** Each row says in words what these say once for the eye. */
function Heads() {
  return (
    <div className={rowStyles.heads} aria-hidden="true">
      <span />
      <span>State</span>
      <span>Image and node</span>
      <span>Progress</span>
      <span className={rowStyles.headRight}>Rate</span>
      <span className={rowStyles.headRight}>Time left</span>
      <span>Waiting pods</span>
    </div>
  );
}
