import { memo, useMemo } from "react";
import type { ClusterNode, Pod } from "../../model/types";
import type { Row } from "../../model/cluster";
import { count, formatRate } from "../../model/format";
import { leaseCommands, nodeCommands } from "../../model/kubectl";
import { shortPull } from "../../model/image";
import { laneOf, type Window } from "./lanes";
import { runningRows } from "../../model/sorting";
import { sparkOf } from "./throughput";
import { toggled } from "../../model/place";
import { Commands } from "../../ui/Commands";
import { LaneStrips } from "./Lane";
import { useLive } from "../../data/Live";
import styles from "./NodeRow.module.css";
import { usePlace } from "../../data/Place";
import { Plot } from "./PlotLoader";
import { PullBar } from "../shared/PullBar";
import { Sparkline } from "../../ui/Sparkline";
import { Silent, Status } from "../../ui/StatusWord";
import { Age } from "../../ui/Time";
import { Toggle } from "../../ui/Toggle";

/** Five minutes. */
const SPARK_POINTS = 60;
/** The others are in the view of pulls. */
const MOST_RUNNING = 8;

interface NodeRowProps {
  readonly node: ClusterNode;
  readonly rows: readonly Row[];
  readonly pods: readonly Pod[];
  readonly view: Window;
  readonly nowMs: number;
  readonly open: boolean;
}

export const NodeRow = memo(function NodeRow({ node, rows, pods, view, nowMs, open }: NodeRowProps) {
  const { cluster } = useLive();
  const { place, change } = usePlace();
  const lane = useMemo(() => laneOf(rows, pods, nowMs, cluster.serverOffsetMs), [rows, pods, nowMs, cluster.serverOffsetMs]);
  const spark = useMemo(() => sparkOf(cluster.samples, node.nodeName, SPARK_POINTS), [cluster.samples, node.nodeName]);
  const { nodeName } = node;
  return (
    <div className={styles.item} data-stale={node.stale}>
      <div className={styles.row}>
        <Toggle open={open} label={`Details of node ${nodeName}`} onToggle={() => change({ open: toggled(place.open, nodeName) })} />
        <div className={styles.name}>
          <strong title={nodeName}>{nodeName}</strong>
          <p>
            <State node={node} />
          </p>
        </div>
        <div className={styles.rate}>
          <Sparkline values={spark} width={72} height={22} className={styles.spark} />
          <span>{node.stale ? "–" : formatRate(node.bytesPerSec)}</span>
          <p className={styles.reported} title="When its agent was last heard">
            {cluster.nodes !== null && (
              <>
                heard <Age sinceMs={node.reportedAtMs} /> ago
              </>
            )}
          </p>
        </div>
        <LaneStrips nodeName={nodeName} lane={lane} view={view} nowMs={nowMs} />
      </div>
      {open && (
        <div className={styles.details}>
          {node.trouble !== "" && <p className={styles.trouble}>{node.trouble}</p>}
          <Running rows={rows} />
          <Plot scope={{ kind: "node", name: nodeName }} height={120} />
          <Commands commands={[...nodeCommands(nodeName), ...leaseCommands(nodeName)]} />
        </div>
      )}
    </div>
  );
});

/** What the node pulls now, with a jump to each. */
function Running({ rows }: { rows: readonly Row[] }) {
  const { jump } = usePlace();
  const running = runningRows(rows).slice(0, MOST_RUNNING);
  if (running.length === 0) return null;
  return (
    <ul className={styles.running} aria-label="Pulling now">
      {running.map((row) => (
        <li key={row.pull.id}>
          <button type="button" onClick={() => jump("pulls", row.pull.id)}>
            {shortPull(row.pull)}
          </button>
          <PullBar row={row} />
        </li>
      ))}
    </ul>
  );
}

function State({ node }: { node: ClusterNode }) {
  const { stale, trouble, pulling, queued, failing, parallel } = node;
  if (stale) return <Silent />;
  if (trouble !== "") return <Status icon="alert" tone="warn" word="trouble" explanation={trouble} small />;
  const parts = [];
  if (pulling > 0) parts.push(`${pulling} pulling`);
  if (queued > 0) parts.push(count(queued, "queued", "queued"));
  if (failing > 0) parts.push(`${failing} failing`);
  if (parts.length === 0) return <>idle</>;
  return (
    <span title={parallel ? "This node pulls several images at once." : "This node pulls one image after another."}>
      {parts.join(" · ")}
      {parallel && " · parallel"}
    </span>
  );
}
