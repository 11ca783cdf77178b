/* What is wrong, one line each, with a jump to it. The first ones are seen, the others on demand. */
import { useMemo, useState } from "react";
import type { Cluster } from "../model/cluster";
import { count } from "../model/format";
import { problemsOf, type Problem } from "./problems";
import { Icon, type IconName } from "../ui/Icon";
import { useClock } from "../data/Live";
import { usePlace } from "../data/Place";
import styles from "./Problems.module.css";
import { Age, Retry } from "../ui/Time";
import { useNarrow } from "../ui/useMedia";

const FIRST = 2;
/** On a small screen they would push everything else out of it. */
const FIRST_NARROW = 1;
const MOST = 30;
/** They are looked for every few seconds, not with every tick. */
const STEP_MS = 2_000;

const ICONS: Readonly<Record<Problem["kind"], IconName>> = {
  failing: "cross",
  stalled: "alert",
  slow: "slow",
  silent: "silent",
  trouble: "alert",
};

export function Problems({ cluster }: { cluster: Cluster }) {
  const [open, setOpen] = useState(false);
  const narrow = useNarrow();
  const { estimateAtMs } = useClock();
  const stepMs = Math.floor(estimateAtMs / STEP_MS) * STEP_MS;
  const { rows, pods, nodes } = cluster;
  const problems = useMemo(() => problemsOf({ rows, pods, nodes }, stepMs), [rows, pods, nodes, stepMs]);
  if (problems.length === 0) return null;
  const first = narrow ? FIRST_NARROW : FIRST;
  const shown = problems.slice(0, open ? MOST : first);
  const rest = problems.length - first;
  return (
    <section className={styles.problems} aria-label="What is wrong">
      <ul>
        {shown.map((problem) => (
          <li key={problem.key} data-kind={problem.kind}>
            <Icon name={ICONS[problem.kind]} />
            <ProblemWords problem={problem} />
            <Jump problem={problem} />
          </li>
        ))}
      </ul>
      {rest > 0 && (
        <button type="button" className={styles.more} aria-expanded={open} onClick={() => setOpen(!open)}>
          {open ? "Show less" : `${rest} more`}
        </button>
      )}
    </section>
  );
}

function ProblemWords({ problem }: { problem: Problem }) {
  switch (problem.kind) {
    case "failing":
      return (
        <p>
          <strong>{problem.subject}</strong> {problem.what}, {placesText(problem.nodes)}.{" "}
          {problem.failure !== null && problem.failure.advice !== "" && <span className={styles.advice}>{problem.failure.advice} </span>}
          <span className={styles.muted}>
            {podsText(problem.pods)}
            {problem.retryAtMs !== null && (
              <>
                {" · "}
                <Retry atMs={problem.retryAtMs} />
              </>
            )}
          </span>
        </p>
      );
    case "stalled":
    case "slow":
      return (
        <p>
          <strong>{problem.subject}</strong> {problem.what} on {problem.nodeName}.{" "}
          <span className={styles.muted}>
            {problem.kind === "stalled" && (
              <>
                The last byte came <Age sinceMs={problem.lastByteAtMs} /> ago
                {" · "}
              </>
            )}
            {podsText(problem.pods)}
          </span>
        </p>
      );
    case "silent":
    case "trouble":
      return (
        <p>
          <strong>{problem.subject}</strong> {problem.what}.{" "}
          <span className={styles.muted}>
            Last heard <Age sinceMs={problem.reportedAtMs} /> ago
          </span>
        </p>
      );
  }
}

function placesText(nodes: readonly string[]): string {
  return nodes.length === 1 ? `on ${nodes.join("")}` : `on ${nodes.length} nodes`;
}

function podsText(pods: readonly string[]): string {
  return pods.length === 0 ? "no pod waits for it" : count(pods.length, "pod waits for it", "pods wait for it");
}

function Jump({ problem }: { problem: Problem }) {
  const { jump } = usePlace();
  function go() {
    if (problem.kind === "failing") jump("waiting", problem.pods[0] ?? "");
    else if (problem.kind === "stalled" || problem.kind === "slow") jump("pulls", problem.pullId);
    else jump("nodes", problem.nodeName);
  }
  return (
    <button type="button" className={styles.jump} aria-label={`Show ${problem.subject}`} onClick={go}>
      Show <Icon name="arrow" />
    </button>
  );
}
