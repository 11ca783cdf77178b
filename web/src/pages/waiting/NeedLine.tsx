import type { Need } from "../../model/types";
import type { Row } from "../../model/cluster";
import { shortImage } from "../../model/image";
import { usePlace } from "../../data/Place";
import styles from "./NeedLine.module.css";
import { PullBar } from "../shared/PullBar";
import { Queued } from "../shared/Queued";
import { NeedWord } from "../../ui/StatusWord";
import { Left } from "../../ui/Time";

const ROLE_WORDS: Readonly<Record<string, string>> = {
  volume: "image volume",
  init: "init container",
  sidecar: "sidecar",
  main: "container",
  ephemeral: "ephemeral container",
};

/** One image of a pod: for which container, where it stands, and when it is expected. */
export function NeedLine({ need, row }: { need: Need; row: Row | undefined }) {
  const { jump } = usePlace();
  return (
    <div className={styles.need}>
      <div className={styles.name}>
        <NeedWord state={need.state} />
        <span className={styles.image} title={need.image}>
          {row === undefined ? (
            shortImage(need.image)
          ) : (
            <button type="button" onClick={() => jump("pulls", row.pull.id)} title={`The pull of ${need.image}`}>
              {shortImage(need.image)}
            </button>
          )}
        </span>
        <span className={styles.muted}>
          {ROLE_WORDS[need.role] ?? need.role} {need.container}
        </span>
      </div>
      <div className={styles.bar}>
        {row !== undefined && need.state === "pulling" && <PullBar row={row} />}
        {need.state === "queued" && <Queued need={need} />}
      </div>
      <div className={styles.due}>{need.state !== "failed" && <Left due={need.due} unknown="end not known" />}</div>
    </div>
  );
}
