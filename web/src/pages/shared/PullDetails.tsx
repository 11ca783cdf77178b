import { formatClock } from "../../model/format";
import { leaseCommands, podCommands } from "../../model/kubectl";
import type { Row } from "../../model/row";
import { PHASE_WORDS, STALE_REPORT } from "../../model/words";
import { Commands } from "../../ui/Commands";
import styles from "../../ui/Table.module.css";
import { FailureBox } from "./FailureBox";
import { LayerList } from "./LayerList";

const MAX_PODS = 3;
const POD_ONLY = "Reported by the pod alone: the kubelet did not call containerd, or the call failed too quickly.";

export function PullDetails({ row }: { row: Row }) {
  const { pull } = row;
  const facts = [
    ["Image", pull.imageRef],
    ["Candidates", pull.nameKnown ? "" : pull.imageCandidates.join(", ")],
    ["Phase", `${PHASE_WORDS[pull.phase].word}. ${PHASE_WORDS[pull.phase].explanation}`],
    ["Agent", pull.stale ? STALE_REPORT : ""],
    ["Source", pull.reachedContainerd ? "" : POD_ONLY],
    ["Started", pull.startedAtMs === null ? "" : formatClock(pull.startedAtMs)],
    ["Last progress", pull.progressedAtMs === null ? "" : formatClock(pull.progressedAtMs)],
    ["Digest", pull.digest],
  ].filter(([, value]) => value !== "");
  const commands = [...pull.pods.slice(0, MAX_PODS).flatMap((pod) => podCommands(pod.namespace, pod.podName)), ...leaseCommands(pull.nodeName)];
  return (
    <div className={styles.details}>
      <div className={styles.stack}>
        {pull.failure !== null && <FailureBox failure={pull.failure} />}
        {pull.completedAtMs === null && <LayerList row={row} />}
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
