import { memo } from "react";
import { useCluster, useEstimateTime } from "../../data/useStore";
import type { Rows } from "../../model/cluster";
import { count, formatClock } from "../../model/format";
import { nodeCommands, podCommands } from "../../model/kubectl";
import type { Row } from "../../model/row";
import { currentImage, podSentence } from "../../model/sentences";
import type { PendingImage, Pod } from "../../model/types";
import { Commands } from "../../ui/Commands";
import { PodIcon } from "../../ui/Status";
import { At, Retry, ServerAt } from "../../ui/Time";
import { Toggle } from "../../ui/Toggle";
import { FailureBox } from "../shared/FailureBox";
import { PullBar } from "../shared/PullBar";
import { Queued } from "../shared/Queued";
import { ImageLine } from "./ImageLine";
import styles from "./PodRow.module.css";

/** A pod in one sentence, with the progress of the image that it waits for now. */
export const PodRow = memo(function PodRow({ pod, rows, open, alone }: { pod: Pod; rows: Rows; open: boolean; alone: boolean }) {
  const image = currentImage(pod);
  return (
    <>
      <div className={styles.row}>
        <Toggle id={pod.id} open={open} label={`Images of pod ${pod.id}`} />
        <span className={styles.icon}>
          <PodIcon state={pod.state} pulling={image?.state === "pulling"} />
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
        <div className={styles.bar}>{image !== undefined && <Progress image={image} row={rows.get(image.pullId)} />}</div>
        <p className={styles.at}>
          {pod.state === "waiting" && pod.estimate !== null && (
            <span title="Expected time">
              ≈ <At atMs={pod.estimate.likelyAtMs} />
            </span>
          )}
          {pod.state === "failing" && <Retry atMs={image?.failure?.retryAtMs ?? null} />}
          {pod.state === "ready" && pod.endedAtMs !== null && (
            <>
              at <ServerAt atMs={pod.endedAtMs} />
            </>
          )}
        </p>
      </div>
      {open && <Details pod={pod} rows={rows} />}
    </>
  );
});

function Sentence({ pod, rows }: { pod: Pod; rows: Rows }) {
  const thresholds = useCluster("thresholds");
  const nowMs = useEstimateTime();
  return (
    <span>
      {podSentence(pod, rows, nowMs, thresholds).map((part, index) => (part.strong === true ? <b key={index}>{part.text}</b> : <span key={index}>{part.text}</span>))}
    </span>
  );
}

function Progress({ image, row }: { image: PendingImage; row: Row | undefined }) {
  switch (image.state) {
    case "pulling":
      return row === undefined ? <p className={styles.advice}>Pulling (several pulls on this node could be this image)</p> : <PullBar row={row} />;
    case "queued":
      return <Queued image={image} />;
    case "failed":
      return <p className={styles.advice}>{image.failure?.advice}</p>;
    case "needed":
      return null;
  }
}

function Details({ pod, rows }: { pod: Pod; rows: Rows }) {
  return (
    <div className={styles.details}>
      {pod.images.length > 0 && (
        <ol className={styles.images} aria-label={`Images of ${pod.id}`}>
          {pod.images.map((image) => (
            <li key={`${image.container} ${image.image}`}>
              <ImageLine image={image} row={rows.get(image.pullId)} />
            </li>
          ))}
        </ol>
      )}
      {pod.moreImages > 0 && <p className={styles.muted}>and {count(pod.moreImages, "more image", "more images")}</p>}
      {pod.images.map((image) => image.failure !== null && <FailureBox key={image.container} failure={image.failure} />)}
      <div className={styles.foot}>
        <Commands commands={[...podCommands(pod.namespace, pod.podName), ...nodeCommands(pod.nodeName)]} />
        {pod.waitingSinceMs !== null && (
          <p className={styles.muted}>
            Scheduled to {pod.nodeName} at {formatClock(pod.waitingSinceMs)} (node clock)
          </p>
        )}
      </div>
    </div>
  );
}
