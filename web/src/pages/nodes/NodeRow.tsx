import { memo, useMemo } from "react";
import { useCluster, useStore } from "../../data/useStore";
import { formatRate } from "../../model/format";
import { shortPull } from "../../model/image";
import { leaseCommands, nodeCommands } from "../../model/kubectl";
import type { Row } from "../../model/row";
import { runningRows } from "../../model/sorting";
import type { ClusterNode, Pod } from "../../model/types";
import { Commands } from "../../ui/Commands";
import { Sparkline } from "../../ui/Sparkline";
import { Stale, Status } from "../../ui/Status";
import { Age } from "../../ui/Time";
import { Toggle } from "../../ui/Toggle";
import { PullBar } from "../shared/PullBar";
import { LaneStrips } from "./Lane";
import { laneOf, type Window } from "./lanes";
import styles from "./NodeRow.module.css";
import { Plot } from "./PlotLoader";
import { sparkOf } from "./throughput";

/** Five minutes. */
const SPARK_POINTS = 60;
/** The view of pulls has the others. */
const MAX_RUNNING = 8;

interface NodeRowProps {
  readonly node: ClusterNode;
  readonly rows: readonly Row[];
  readonly pods: readonly Pod[];
  readonly view: Window;
  readonly nowMs: number;
  readonly open: boolean;
}

export const NodeRow = memo(function NodeRow({ node, rows, pods, view, nowMs, open }: NodeRowProps) {
  const { nodeName } = node;
  const offsetMs = useCluster("serverOffsetMs");
  const samples = useCluster("samples");
  const thresholds = useCluster("thresholds");
  const lane = useMemo(() => laneOf(rows, pods, nowMs, offsetMs, thresholds), [rows, pods, nowMs, offsetMs, thresholds]);
  const spark = useMemo(() => sparkOf(samples, nodeName, SPARK_POINTS), [samples, nodeName]);
  return (
    <div className={styles.item} data-stale={node.stale}>
      <div className={styles.row}>
        <Toggle id={nodeName} open={open} label={`Details of node ${nodeName}`} />
        <div className={styles.name}>
          <strong title={nodeName}>{nodeName}</strong>
          <p>
            <State node={node} />
          </p>
        </div>
        <div className={styles.rate}>
          <Sparkline values={spark} width={72} height={22} className={styles.spark} />
          <span>{node.stale ? "–" : formatRate(node.bytesPerSec)}</span>
          <p className={styles.reported}>
            last report <Age sinceMs={node.reportedAtMs} /> ago
          </p>
        </div>
        <LaneStrips nodeName={nodeName} lane={lane} view={view} nowMs={nowMs} />
      </div>
      {open && (
        <div className={styles.details}>
          {node.agentError !== "" && <p className={styles.error}>{node.agentError}</p>}
          <Running rows={rows} />
          <Plot scope={{ kind: "node", name: nodeName }} height={120} />
          <Commands commands={[...nodeCommands(nodeName), ...leaseCommands(nodeName)]} />
        </div>
      )}
    </div>
  );
});

/** The node's running pulls, with a jump to each. */
function Running({ rows }: { rows: readonly Row[] }) {
  const store = useStore();
  const running = runningRows(rows).slice(0, MAX_RUNNING);
  if (running.length === 0) return null;
  return (
    <ul className={styles.running} aria-label="Pulling now">
      {running.map((row) => (
        <li key={row.pull.id}>
          <button type="button" onClick={() => store.jump("pulls", row.pull.id)}>
            {shortPull(row.pull)}
          </button>
          <PullBar row={row} />
        </li>
      ))}
    </ul>
  );
}

function State({ node }: { node: ClusterNode }) {
  const { stale, agentError, pulling, queued, failing, parallel } = node;
  if (stale) return <Stale />;
  if (agentError !== "") return <Status icon="alert" tone="warn" word="agent error" explanation={agentError} small />;
  const parts = [];
  if (pulling > 0) parts.push(`${pulling} pulling`);
  if (queued > 0) parts.push(`${queued} queued`);
  if (failing > 0) parts.push(`${failing} failing`);
  if (parts.length === 0) return "idle";
  return (
    <span title={parallel ? "This node pulls several images at once." : "This node pulls one image after another."}>
      {parts.join(" · ")}
      {parallel && " · parallel"}
    </span>
  );
}
