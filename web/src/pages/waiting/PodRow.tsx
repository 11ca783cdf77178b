import { memo } from "react";
import type { Pod } from "../../model/types";
import type { Rows } from "../../model/cluster";
import { count, formatClock } from "../../model/format";
import { nodeCommands, podCommands } from "../../model/kubectl";
import { currentNeed, podSentence } from "../../model/sentences";
import { toggled } from "../../model/place";
import { Commands } from "../../ui/Commands";
import { FailureBox } from "../shared/FailureBox";
import { useClock, useLive } from "../../data/Live";
import { NeedLine } from "./NeedLine";
import { usePlace } from "../../data/Place";
import styles from "./PodRow.module.css";
import { PullBar } from "../shared/PullBar";
import { Queued } from "../shared/Queued";
import { PodIcon } from "../../ui/StatusWord";
import { At, Retry } from "../../ui/Time";
import { Toggle } from "../../ui/Toggle";

/** A pod: one plain sentence, and how far the image is that it waits for now. */
export const PodRow = memo(function PodRow({ pod, rows, open, alone }: { pod: Pod; rows: Rows; open: boolean; alone: boolean }) {
  const { place, change } = usePlace();
  const need = currentNeed(pod);
  const row = need === undefined ? undefined : rows.get(need.pullId);
  return (
    <>
      <div className={styles.row}>
        <Toggle open={open} label={`Images of pod ${pod.id}`} onToggle={() => change({ open: toggled(place.open, pod.id) })} />
        <span className={styles.icon}>
          <PodIcon state={pod.state} pulling={need?.state === "pulling"} />
        </span>
        <div className={styles.sentence}>
          <p>
            <strong>{pod.podName}</strong> <Sentence pod={pod} rows={rows} />
          </p>
          {alone && (
            <p className={styles.owner}>
              {pod.workload.kind === "Pod" ? "Pod" : `${pod.workload.kind} ${pod.workload.name}`} in {pod.namespace}
            </p>
          )}
        </div>
        <div className={styles.bar}>
          {row !== undefined && need?.state === "pulling" && <PullBar row={row} />}
          {row === undefined && need?.state === "pulling" && <p className={styles.advice}>Being pulled; by which of the node's pulls is not certain.</p>}
          {need?.state === "queued" && <Queued need={need} />}
          {need?.state === "failed" && <p className={styles.advice}>{need.failure?.advice}</p>}
        </div>
        <p className={styles.at}>
          {pod.state === "waiting" && pod.due !== null && (
            <span title="The time of day at which it is expected">
              ≈ <At atMs={pod.due.likelyAtMs} />
            </span>
          )}
          {pod.state === "failing" && need?.failure != null && <Retry atMs={need.failure.retryAtMs} />}
          {pod.state === "ready" && pod.endedAtMs !== null && <ServerAt atMs={pod.endedAtMs} />}
        </p>
      </div>
      {open && (
        <div className={styles.details}>
          {pod.needs.length > 0 && (
            <ol className={styles.needs} aria-label={`Images of ${pod.id}`}>
              {pod.needs.map((each) => (
                <li key={`${each.container} ${each.image}`}>
                  <NeedLine need={each} row={rows.get(each.pullId)} />
                </li>
              ))}
            </ol>
          )}
          {pod.moreNeeds > 0 && <p className={styles.muted}>and {count(pod.moreNeeds, "more image", "more images")}</p>}
          {pod.needs.map((each) => each.failure !== null && <FailureBox key={each.container} failure={each.failure} />)}
          <div className={styles.foot}>
            <Commands commands={[...podCommands(pod.namespace, pod.podName), ...nodeCommands(pod.nodeName)]} />
            {pod.waitingSinceMs !== null && <p className={styles.muted}>On {pod.nodeName} since {formatClock(pod.waitingSinceMs)}, on that node's clock.</p>}
          </div>
        </div>
      )}
    </>
  );
});

function Sentence({ pod, rows }: { pod: Pod; rows: Rows }) {
  const { estimateAtMs } = useClock();
  return (
    <span>
      {podSentence(pod, rows, estimateAtMs).map((part, index) =>
        part.strong === true ? <b key={index}>{part.text}</b> : <span key={index}>{part.text}</span>,
      )}
    </span>
  );
}

function ServerAt({ atMs }: { atMs: number }) {
  const { cluster } = useLive();
  return (
    <>
      at <At atMs={atMs + cluster.serverOffsetMs} />
    </>
  );
}
