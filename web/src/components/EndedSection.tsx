import { count } from "../lib/format";
import type { Row } from "../lib/pulls";
import { EndedRow } from "./EndedRow";
import { RowList } from "./RowList";
import { Section } from "./Section";

export function EndedSection({ rows, total }: { rows: readonly Row[]; total: number }) {
  if (rows.length === 0) return null;
  const failed = rows.filter((row) => row.pull.phase === "failed").length;
  const shown = total > rows.length ? `${rows.length} of ${total}` : `${total}`;
  return (
    <Section title="Finished and failed" note={failed > 0 ? `${shown} · ${count(failed, "failed", "failed")}` : shown}>
      <RowList label="Finished and failed pulls" rows={rows} render={(row) => <EndedRow key={row.pull.id} pull={row.pull} />} />
    </Section>
  );
}
