import { useMemo, useState } from "react";
import { formatRate } from "../../model/format";
import { registriesOf, type Scope } from "./throughput";
import { useLive } from "../../data/Live";
import { Plot } from "./PlotLoader";
import { Section } from "../../ui/Section";
import styles from "./Throughput.module.css";

const MOST_REGISTRIES = 6;

/** What comes over the network: of the cluster, or of one registry; of a node it stands in the node's row. */
export function Throughput() {
  const { cluster } = useLive();
  const [registry, setRegistry] = useState("");
  const registries = useMemo(() => registriesOf(cluster.samples, cluster.rows.values()).slice(0, MOST_REGISTRIES), [cluster.samples, cluster.rows]);
  const scope: Scope = registry === "" ? { kind: "cluster", name: "" } : { kind: "registry", name: registry };
  const latest = cluster.samples.at(-1);
  const rate = registry === "" ? latest?.bytesPerSec : latest?.byRegistry[registry];
  return (
    <Section title="Throughput" note={`${formatRate(rate ?? 0)} now, and over the last half hour`}>
      <div className={styles.card}>
        <div className={styles.choices} role="group" aria-label="Throughput of">
          {["", ...registries].map((name) => (
            <button key={name} type="button" aria-pressed={registry === name} onClick={() => setRegistry(name)}>
              {name === "" ? "Cluster" : name}
            </button>
          ))}
          <span className={styles.note}>Dashed: averages of the pulls that ended before this page watched</span>
        </div>
        <Plot scope={scope} height={112} />
      </div>
    </Section>
  );
}
