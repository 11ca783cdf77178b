import type { Pull } from "../../model/types";
import { formatClock } from "../../model/format";
import { leaseCommands, podCommands } from "../../model/kubectl";
import { PHASE_WORDS, SILENT_AGENT } from "../../model/words";
import { Commands } from "../../ui/Commands";
import { FailureBox } from "./FailureBox";
import { LayerList } from "./LayerList";
import styles from "../../ui/Table.module.css";

const MOST_PODS = 3;

export function PullDetails({ pull }: { pull: Pull }) {
  const facts = [
    ["Image", pull.imageRef],
    ["Could be", pull.nameKnown ? "" : pull.imageCandidates.join(", ")],
    ["Phase", `${PHASE_WORDS[pull.phase].word}. ${PHASE_WORDS[pull.phase].explanation}`],
    ["Agent", pull.stale ? SILENT_AGENT : ""],
    ["Told by", pull.reachedContainerd ? "" : "The pod alone: containerd was never asked, or failed too quickly to be seen."],
    ["Started", pull.startedAtMs === null ? "" : formatClock(pull.startedAtMs)],
    ["Last progress", pull.progressedAtMs === null ? "" : formatClock(pull.progressedAtMs)],
    ["Digest", pull.digest],
  ].filter(([, value]) => value !== "");
  const commands = [...pull.pods.slice(0, MOST_PODS).flatMap((pod) => podCommands(pod.namespace, pod.podName)), ...leaseCommands(pull.nodeName)];
  return (
    <div className={styles.details}>
      <div className={styles.stack}>
        {pull.failure !== null && <FailureBox failure={pull.failure} />}
        {pull.completedAtMs === null && <LayerList pull={pull} />}
        <Commands commands={commands.filter(({ line }, index) => commands.findIndex((other) => other.line === line) === index)} />
      </div>
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
