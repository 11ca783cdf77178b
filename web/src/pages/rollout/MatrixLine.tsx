import { memo } from "react";
import { shortImage } from "../../model/image";
import type { Cell, NodeLine } from "./matrix";
import { reasonWords } from "../../model/words";
import styles from "./MatrixLine.module.css";
import { NodeLink } from "../shared/NodeLink";
import { PullBar } from "../shared/PullBar";
import { ImageStatus, Status } from "../../ui/Status";
import { Left, Retry } from "../../ui/Time";

/** A node of a rollout, with a cell for each image. */
export const MatrixLine = memo(function MatrixLine({ line, images }: { line: NodeLine; images: readonly string[] }) {
  return (
    <div className={styles.line} data-ready={line.ready}>
      <div className={styles.node}>
        <NodeLink nodeName={line.nodeName} />
        {line.pods.length > 1 && <span className={styles.muted}>{line.pods.length} pods</span>}
      </div>
      <div className={styles.cells}>
        {line.cells.map((cell, index) => (
          <MatrixCell key={images[index]} cell={cell} image={images.length > 1 ? (images[index] ?? "") : ""} />
        ))}
        {line.cells.length === 0 && <Status icon="check" tone="good" word="On the node" explanation="All images are on the node." small />}
      </div>
      <div className={styles.estimate}>
        {line.ready ? <span className={styles.good}>ready</span> : line.failing ? <span className={styles.bad}>cannot start</span> : <Left estimate={line.estimate} />}
      </div>
    </div>
  );
});

function MatrixCell({ cell, image }: { cell: Cell; image: string }) {
  return (
    <div className={styles.cell}>
      {image !== "" && (
        <span className={styles.image} title={image}>
          {shortImage(image)}
        </span>
      )}
      <CellState cell={cell} />
    </div>
  );
}

function CellState({ cell }: { cell: Cell }) {
  const { state, row, failure, behind } = cell;
  if (state === "pulling" && row !== null) return <PullBar row={row} />;
  if (state === "ready") return <Status icon="check" tone="good" word="On the node" explanation="The image is on the node." small />;
  if (state === "failed") {
    return (
      <span className={styles.bad}>
        It {reasonWords(failure?.reason ?? "")}
        {failure?.retryAtMs != null && (
          <span className={styles.muted}>
            {" "}
            · <Retry atMs={failure.retryAtMs} />
          </span>
        )}
      </span>
    );
  }
  const [first] = behind;
  return (
    <span className={styles.wait}>
      <ImageStatus state={state} />
      {state === "queued" && first !== undefined && <span className={styles.muted}>behind {shortImage(first.image)}</span>}
    </span>
  );
}
