import type { Row } from "../../model/row";
import type { Layer } from "../../model/types";
import { count, formatBytes } from "../../model/format";
import { Bar } from "../../ui/Bar";
import styles from "./LayerList.module.css";
import { LayerStatus } from "../../ui/Status";

export function LayerList({ row }: { row: Row }) {
  const { pull, layers } = row;
  const unlisted = pull.layerCount - layers.length;
  if (layers.length === 0) return <p className={styles.note}>Layers not known yet.</p>;
  return (
    <div>
      <ol className={styles.layers} aria-label="Layers">
        {layers.map((layer) => (
          <LayerItem key={layer.digest} layer={layer} still={pull.stale} />
        ))}
      </ol>
      {unlisted > 0 && <p className={styles.note}>{count(unlisted, "more layer", "more layers")} not listed.</p>}
    </div>
  );
}

function LayerItem({ layer, still }: { layer: Layer; still: boolean }) {
  const digest = layer.digest.replace(/^sha256:/, "");
  return (
    <li className={styles.layer} data-state={layer.state}>
      <code className={styles.digest} title={layer.digest}>
        {digest}
      </code>
      <span className={styles.state}>
        <LayerStatus state={layer.state} />
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
