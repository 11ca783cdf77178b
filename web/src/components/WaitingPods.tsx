import { useState } from "react";
import type { WaitingContainer } from "../api/types";
import { Icon } from "./icons";
import styles from "./WaitingPods.module.css";

const FIRST = 2;

export function WaitingPods({ pods }: { pods: readonly WaitingContainer[] }) {
  const [open, setOpen] = useState(false);
  if (pods.length === 0) return <span className={styles.none}>no pod waits</span>;
  const more = pods.length - FIRST;
  return (
    <>
      <ul className={styles.pods} aria-label="Waiting pods">
        {(open ? pods : pods.slice(0, FIRST)).map((pod) => (
          <Pod key={`${pod.namespace}/${pod.podName}/${pod.container}`} pod={pod} />
        ))}
      </ul>
      {more > 0 && (
        <button type="button" className={styles.more} aria-expanded={open} onClick={() => setOpen(!open)}>
          {open ? "show fewer" : `+ ${more} more`}
        </button>
      )}
    </>
  );
}

function Pod({ pod }: { pod: WaitingContainer }) {
  return (
    <li className={styles.pod} title={`${pod.namespace}/${pod.podName} · ${pod.container}`} dir="ltr">
      <Icon name="pod" />
      <span className={styles.namespace}>{pod.namespace}/</span>
      <span className={styles.name}>{pod.podName}</span>
      <span className={styles.container}> · {pod.container}</span>
    </li>
  );
}
