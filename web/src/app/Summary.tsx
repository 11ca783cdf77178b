import type { ReactNode } from "react";
import { useCluster, useEstimateTime } from "../data/useStore";
import type { Counts } from "../model/counts";
import { count, formatRate, formatTimeLeft } from "../model/format";
import { Sparkline } from "../ui/Sparkline";
import styles from "./Summary.module.css";

/** Five minutes. */
const SPARK_POINTS = 60;

/** How many pods wait and for how long, in one sentence; beside it the figures. */
export function Summary({ counts }: { counts: Counts }) {
  const loaded = useCluster("loaded");
  const synced = useCluster("synced");
  const samples = useCluster("samples");
  const known = loaded && synced;
  const spark = samples.slice(-SPARK_POINTS).map((sample) => sample.bytesPerSec);
  return (
    <div className={styles.summary}>
      <div className={styles.words}>
        <p className={styles.headline}>{known ? headline(counts) : "…"}</p>
        <p className={styles.below}>{known && <Outlook counts={counts} />}</p>
      </div>
      <dl className={styles.figures}>
        <Figure label="Pulling" value={known ? count(counts.pulling, "image", "images") : "–"} note={known && counts.pulling > 0 ? `on ${count(counts.pullingNodes, "node", "nodes")}` : ""} />
        <Figure label="Cannot start" value={known ? count(counts.failingPods, "pod", "pods") : "–"} note="" alarming={counts.failingPods > 0} />
        <Figure label="Throughput" value={known ? formatRate(counts.bytesPerSec) : "–"} note="">
          <Sparkline values={spark} width={110} height={30} className={styles.spark} />
        </Figure>
      </dl>
    </div>
  );
}

function headline({ waitingPods, failingPods, pulling }: Counts): string {
  if (waitingPods > 0) return `${count(waitingPods, "pod", "pods")} waiting for images`;
  if (failingPods > 0) return `${count(failingPods, "pod", "pods")} cannot start`;
  return pulling > 0 ? "Pulling images, no pods waiting" : "All quiet";
}

function Outlook({ counts }: { counts: Counts }) {
  const nowMs = useEstimateTime();
  const { nextReadyAtMs, lastReadyAtMs, waitingPods } = counts;
  const left = (atMs: number) => formatTimeLeft(Math.max(0, (atMs - nowMs) / 1000));
  if (waitingPods === 0) return "No pods waiting for images";
  if (nextReadyAtMs === null || lastReadyAtMs === null) return "No estimate yet";
  const [next, last] = [left(nextReadyAtMs), left(lastReadyAtMs)];
  return waitingPods === 1 || next === last ? `Ready in ${last}` : `Next ready in ${next}, last in ${last}`;
}

function Figure({ label, value, note, alarming, children }: { label: string; value: string; note: string; alarming?: boolean; children?: ReactNode }) {
  return (
    <div className={styles.figure} data-alarming={alarming}>
      <dt>{label}</dt>
      <dd>
        <span className={styles.value}>{value}</span>
        {note !== "" && <span className={styles.note}>{note}</span>}
        {children}
      </dd>
    </div>
  );
}
