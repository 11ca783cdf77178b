import type { Layer, Pull } from "../../model/types";
import { count, formatBytes } from "../../model/format";
import { Bar } from "../../ui/Bar";
import styles from "./LayerList.module.css";
import { LayerWord } from "../../ui/StatusWord";

export function LayerList({ pull }: { pull: Pull }) {
  const unlisted = pull.layerCount - pull.layers.length;
  if (pull.layers.length === 0) return <p className={styles.note}>The layers are not known yet.</p>;
  return (
    <div>
      <ol className={styles.layers} aria-label="Layers">
        {pull.layers.map((layer) => (
          <LayerRow key={layer.digest} layer={layer} still={pull.stale} />
        ))}
      </ol>
      {unlisted > 0 && <p className={styles.note}>{count(unlisted, "more layer", "more layers")} not listed.</p>}
    </div>
  );
}

function LayerRow({ layer, still }: { layer: Layer; still: boolean }) {
  const digest = layer.digest.replace(/^sha256:/, "");
  return (
    <li className={styles.layer} data-state={layer.state}>
      <code className={styles.digest} title={layer.digest}>
        {digest}
      </code>
      <span className={styles.state}>
        <LayerWord state={layer.state} />
      </span>
      <span className={styles.bar}>
        <Bar
          label={`Layer ${digest}`}
          valueText={`${layer.state}, ${bytesText(layer)}`}
          totalKnown={layer.totalKnown}
          totalBytes={layer.totalBytes}
          downloadedBytes={layer.downloadedBytes}
          estimatedBytes={layer.downloadedBytes}
          unpackedBytes={isUnpacked(layer) ? layer.totalBytes : 0}
          still={still}
        />
      </span>
      <span className={styles.bytes}>{bytesText(layer)}</span>
    </li>
  );
}

function isUnpacked(layer: Layer): boolean {
  return layer.state === "done" || layer.state === "cached";
}

function bytesText(layer: Layer): string {
  if (!layer.totalKnown) return formatBytes(layer.downloadedBytes);
  if (layer.downloadedBytes >= layer.totalBytes) return formatBytes(layer.totalBytes);
  return `${formatBytes(layer.downloadedBytes)} of ${formatBytes(layer.totalBytes)}`;
}
