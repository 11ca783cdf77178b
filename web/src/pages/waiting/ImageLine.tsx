import { useStore } from "../../data/useStore";
import { shortImage } from "../../model/image";
import type { Row } from "../../model/row";
import type { PendingImage } from "../../model/types";
import { ImageStatus } from "../../ui/Status";
import { Left } from "../../ui/Time";
import { PullBar } from "../shared/PullBar";
import { Queued } from "../shared/Queued";
import styles from "./ImageLine.module.css";

const ROLE_WORDS: Readonly<Record<string, string>> = {
  volume: "image volume",
  init: "init container",
  sidecar: "sidecar",
  main: "container",
  ephemeral: "ephemeral container",
};

/** One image of a pod: its state, its container, and its estimate. */
export function ImageLine({ image, row }: { image: PendingImage; row: Row | undefined }) {
  const store = useStore();
  return (
    <div className={styles.line}>
      <div className={styles.name}>
        <ImageStatus state={image.state} />
        <span className={styles.image} title={image.image}>
          {row === undefined ? (
            shortImage(image.image)
          ) : (
            <button type="button" onClick={() => store.jump("pulls", row.pull.id)} title={`Show the pull of ${image.image}`}>
              {shortImage(image.image)}
            </button>
          )}
        </span>
        <span className={styles.muted}>
          {ROLE_WORDS[image.role] ?? image.role} {image.container}
        </span>
      </div>
      <div className={styles.bar}>
        {row !== undefined && image.state === "pulling" && <PullBar row={row} />}
        {image.state === "queued" && <Queued image={image} />}
      </div>
      <div className={styles.estimate}>{image.state !== "failed" && <Left estimate={image.estimate} />}</div>
    </div>
  );
}
