import type { ReactNode } from "react";
import type { Counts } from "../model/counts";
import { count, formatRate, formatTimeLeft } from "../model/format";
import { useClock, useLive } from "../data/Live";
import { Sparkline } from "../ui/Sparkline";
import styles from "./Summary.module.css";

/** Five minutes. */
const SPARK_POINTS = 60;

/** The answer to the first question, in one sentence; beside it the figures. */
export function Summary({ counts }: { counts: Counts }) {
  const { cluster } = useLive();
  const known = cluster.loaded && cluster.synced;
  const spark = cluster.samples.slice(-SPARK_POINTS).map((sample) => sample.bytesPerSec);
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
  if (waitingPods > 0) return `${count(waitingPods, "pod waits", "pods wait")} for images`;
  if (failingPods > 0) return `${count(failingPods, "pod", "pods")} cannot start`;
  return pulling > 0 ? "Images are pulled, and no pod waits for them" : "All quiet";
}

function Outlook({ counts }: { counts: Counts }) {
  const { estimateAtMs } = useClock();
  const { nextDueAtMs, lastDueAtMs, waitingPods } = counts;
  const left = (atMs: number) => formatTimeLeft(Math.max(0, (atMs - estimateAtMs) / 1000));
  if (waitingPods === 0) return "No pod waits for an image that is on its way.";
  if (nextDueAtMs === null || lastDueAtMs === null) return "When they will be ready is not known yet.";
  const [next, last] = [left(nextDueAtMs), left(lastDueAtMs)];
  return waitingPods === 1 || next === last ? `Ready in ${last}.` : `The next is ready in ${next}, the last in ${last}.`;
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
