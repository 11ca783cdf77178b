import { Fragment, memo, useId, useState } from "react";
import { estimatedBytes, estimatedTimeLeft, stalledSeconds } from "../lib/estimate";
import { count, formatAge, formatBytes, formatClock, formatPercent, formatRate, formatTimeLeft } from "../lib/format";
import { imageLabel } from "../lib/image";
import { progressParts } from "../lib/progress";
import type { Row } from "../lib/pulls";
import { PHASE_WORDS, SILENT_AGENT } from "../lib/words";
import { Bar } from "./Bar";
import { useClock } from "./Clock";
import { Icon } from "./icons";
import { ImageName } from "./ImageName";
import { LayerList } from "./LayerList";
import styles from "./Rows.module.css";
import { PhaseWord } from "./StatusWord";
import { WaitingPods } from "./WaitingPods";

export const PullRow = memo(function PullRow({ row }: { row: Row }) {
  const { pull } = row;
  const [open, setOpen] = useState(false);
  const detailsId = useId();
  const label = `${imageLabel(pull)} on ${pull.nodeName}`;
  return (
    <li className={styles.item} aria-label={label} data-stale={pull.stale}>
      <div className={styles.running}>
        <button
          type="button"
          className={styles.toggle}
          aria-expanded={open}
          aria-controls={open ? detailsId : undefined}
          aria-label={`Layers of ${label}`}
          onClick={() => setOpen(!open)}
        >
          <Icon name="chevron" />
        </button>
        <div className={styles.status}>
          <PhaseWord phase={pull.phase} />
          <span className={styles.below}>
            {pull.stale ? (
              <span className={styles.warn} title={SILENT_AGENT}>
                <Icon name="silent" /> agent silent
              </span>
            ) : (
              pull.layerCount > 0 && `${pull.layersDone} of ${count(pull.layerCount, "layer", "layers")}`
            )}
          </span>
        </div>
        <ImageName pull={pull} />
        <Progress row={row} />
        <Pace row={row} />
        <div className={styles.pods}>
          <WaitingPods pods={pull.pods} />
        </div>
      </div>
      {open && <Details row={row} id={detailsId} />}
    </li>
  );
});

/** The parts that move on with the clock are components of their own, so that a tick renders nothing else. */
function Progress({ row }: { row: Row }) {
  const { pull } = row;
  const { estimateAtMs } = useClock();
  const parts = progressParts(pull);
  return (
    <div className={styles.progress}>
      <div className={styles.bar}>
        <Bar
          label={`Progress of ${imageLabel(pull)} on ${pull.nodeName}`}
          valueText={`${PHASE_WORDS[pull.phase].word}, ${parts.join(", ")}${pull.stale ? ", agent silent" : ""}`}
          totalKnown={pull.totalKnown}
          totalBytes={pull.totalBytes}
          downloadedBytes={pull.downloadedBytes}
          estimatedBytes={estimatedBytes(row, estimateAtMs)}
          unpackedBytes={pull.unpackedBytes}
          still={pull.stale}
        />
        <span className={styles.percent}>
          {pull.totalKnown && pull.totalBytes > 0 && formatPercent(shownBytes(row), pull.totalBytes)}
        </span>
      </div>
      <div className={styles.progressText}>
        <span>
          {parts.map((part, index) => (
            <Fragment key={part}>
              {index > 0 && " · "}
              <span className={styles.part}>{part}</span>
            </Fragment>
          ))}
        </span>
        {row.restartedBelowBytes > 0 && (
          <span className={styles.warn} title="containerd has begun a layer again; these bytes are downloaded twice.">
            <Icon name="restart" /> went back from {formatBytes(row.restartedBelowBytes)}
          </span>
        )}
      </div>
    </div>
  );
}

/** The percentage is of the work that is going on: of the download, then of the unpacking. */
function shownBytes({ pull }: Row): number {
  return pull.phase === "unpacking" ? pull.unpackedBytes : pull.downloadedBytes;
}

function Pace({ row }: { row: Row }) {
  const { pull } = row;
  const { estimateAtMs } = useClock();
  const timeLeft = estimatedTimeLeft(row, estimateAtMs);
  const stalled = stalledSeconds(row, estimateAtMs);
  const moves = pull.phase === "downloading" && !pull.stale;
  return (
    <div className={styles.pace}>
      {moves && <span>{formatRate(pull.bytesPerSec)}</span>}
      {timeLeft !== null && stalled === null && <span className={moves ? styles.left : undefined}>{formatTimeLeft(...timeLeft)}</span>}
      {stalled !== null && (
        <span className={styles.stalled} title="No byte has arrived for so long.">
          stalled {formatAge(stalled)}
        </span>
      )}
      {!moves && timeLeft === null && <span className={styles.nothing}>–</span>}
    </div>
  );
}

function Details({ row, id }: { row: Row; id: string }) {
  const { pull } = row;
  const facts = [
    ["Image", pull.imageRef],
    ["Could be", pull.nameKnown ? "" : pull.imageCandidates.join(", ")],
    ["Phase", `${PHASE_WORDS[pull.phase].word}. ${PHASE_WORDS[pull.phase].explanation}`],
    ["Agent", pull.stale ? SILENT_AGENT : ""],
    ["Started", pull.startedAtMs === null ? "" : formatClock(pull.startedAtMs)],
    ["Last progress", pull.progressedAtMs === null ? "" : formatClock(pull.progressedAtMs)],
    ["Digest", pull.digest],
  ].filter(([, value]) => value !== "");
  return (
    <div className={styles.details} id={id}>
      <LayerList pull={pull} />
      <dl className={styles.facts}>
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}
