import { useMemo, useState } from "react";
import { useSelector, useStore } from "../data/useStore";
import { count } from "../model/format";
import { Icon, type IconName } from "../ui/Icon";
import { Age, Retry } from "../ui/Time";
import { useNarrow } from "../ui/useMedia";
import { problemsOf, type Problem } from "./problems";
import styles from "./Problems.module.css";

const FIRST = 2;
/** More would fill a small screen. */
const FIRST_NARROW = 1;
const MAX_PROBLEMS = 30;

const ICONS: Readonly<Record<Problem["kind"], IconName>> = { failing: "cross", stalled: "alert", long: "slow", stale: "stale", error: "alert" };

/** One line for each problem, with a jump to its row; the first are visible, the others on demand. */
export function Problems() {
  const [open, setOpen] = useState(false);
  const narrow = useNarrow();
  const { cluster, atMs } = useSelector((state) => state.step);
  const problems = useMemo(() => problemsOf(cluster, atMs), [cluster, atMs]);
  if (problems.length === 0) return null;
  const first = narrow ? FIRST_NARROW : FIRST;
  const rest = problems.length - first;
  return (
    <section className={styles.problems} aria-label="Problems">
      <ul>
        {problems.slice(0, open ? MAX_PROBLEMS : first).map((problem) => (
          <li key={problem.key} data-kind={problem.kind}>
            <Icon name={ICONS[problem.kind]} />
            <ProblemText problem={problem} />
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

function ProblemText({ problem }: { problem: Problem }) {
  switch (problem.kind) {
    case "failing":
      return (
        <p>
          <strong>{problem.subject}</strong> {problem.text}, {nodesText(problem.nodes)}.{" "}
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
    case "long":
      return (
        <p>
          <strong>{problem.subject}</strong> {problem.text} on {problem.nodeName}.{" "}
          <span className={styles.muted}>
            {problem.kind === "stalled" && (
              <>
                No data for <Age sinceMs={problem.reportedAtMs} />
                {" · "}
              </>
            )}
            {podsText(problem.pods)}
          </span>
        </p>
      );
    case "stale":
    case "error":
      return (
        <p>
          <strong>{problem.subject}</strong> {problem.text}.{" "}
          <span className={styles.muted}>
            Last report <Age sinceMs={problem.reportedAtMs} /> ago
          </span>
        </p>
      );
  }
}

function nodesText(nodes: readonly string[]): string {
  return nodes.length === 1 ? `on ${nodes.join("")}` : `on ${nodes.length} nodes`;
}

function podsText(pods: readonly string[]): string {
  return pods.length === 0 ? "no pods waiting" : `${count(pods.length, "pod", "pods")} waiting`;
}

function Jump({ problem }: { problem: Problem }) {
  const store = useStore();
  function jump() {
    if (problem.kind === "failing") store.jump("waiting", problem.pods[0] ?? "");
    else if (problem.kind === "stalled" || problem.kind === "long") store.jump("pulls", problem.pullId);
    else store.jump("nodes", problem.nodeName);
  }
  return (
    <button type="button" className={styles.jump} aria-label={`Show ${problem.subject}`} onClick={jump}>
      Show <Icon name="arrow" />
    </button>
  );
}
