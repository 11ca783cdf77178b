import type { Connection } from "../api/stream";
import type { Pulls, Row } from "../lib/pulls";
import { EmptyState, type EmptyKind } from "./EmptyState";
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
        <EmptyState kind={whyEmpty(total, pulls, connection)} filter={filter} onClearFilter={onClearFilter} />
      )}
    </Section>
  );
}

function whyEmpty(total: number, pulls: Pulls, connection: Connection): EmptyKind {
  if (total > 0) return "filtered";
  if (pulls.loaded) return pulls.synced ? "quiet" : "unsynced";
  return connection.kind === "lost" ? "unreachable" : "loading";
}

/** Each row says in words what these say once for the eye. */
function Heads() {
  return (
    <div className={rowStyles.heads} aria-hidden="true">
      <span />
      <span>State</span>
      <span>Image and node</span>
      <span>Progress</span>
      <span className={rowStyles.headRight}>Rate, time left</span>
      <span>Waiting pods</span>
    </div>
  );
}
