import { useMemo, useState } from "react";
import { useCluster } from "../../data/useStore";
import { formatRate } from "../../model/format";
import { Section } from "../../ui/Section";
import { Plot } from "./PlotLoader";
import styles from "./Throughput.module.css";
import { registriesOf, type Scope } from "./throughput";

const MAX_REGISTRIES = 6;

/** The throughput of the cluster, or of one registry. A node's row has the node's own. */
export function Throughput() {
  const samples = useCluster("samples");
  const rows = useCluster("rows");
  const [registry, setRegistry] = useState("");
  const registries = useMemo(() => registriesOf(samples, rows.values()).slice(0, MAX_REGISTRIES), [samples, rows]);
  const scope: Scope = registry === "" ? { kind: "cluster", name: "" } : { kind: "registry", name: registry };
  const latest = samples.at(-1);
  const rate = registry === "" ? latest?.bytesPerSec : latest?.byRegistry[registry];
  return (
    <Section title="Throughput" note={`${formatRate(rate ?? 0)} now · last 30 minutes`}>
      <div className={styles.card}>
        <div className={styles.choices} role="group" aria-label="Throughput of">
          {["", ...registries].map((name) => (
            <button key={name} type="button" aria-pressed={registry === name} onClick={() => setRegistry(name)}>
              {name === "" ? "Cluster" : name}
            </button>
          ))}
          <span className={styles.note}>Dashed: averages of pulls that ended before this page was open</span>
        </div>
        <Plot scope={scope} height={112} />
      </div>
    </Section>
  );
}
