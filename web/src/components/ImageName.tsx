import type { Pull } from "../api/types";
import { imageLabel, imageTitle } from "../lib/image";
import { Icon } from "./icons";
import styles from "./ImageName.module.css";

/** What is pulled and where: the name and its tag first, then the node and the path the image comes from. */
export function ImageName({ pull }: { pull: Pull }) {
  const { path, name, tag, hint } = imageTitle(pull);
  return (
    <div className={styles.image} dir="ltr">
      <div className={styles.title} title={pull.nameKnown ? pull.imageRef : imageLabel(pull)}>
        <span className={pull.imageRef === "" ? styles.unnamed : styles.name}>{name}</span>
        {tag}
      </div>
      {hint !== "" && <div className={styles.below}>{hint}</div>}
      <div className={styles.place}>
        <span className={styles.node} title={`Node ${pull.nodeName}`}>
          <Icon name="node" />
          {pull.nodeName}
        </span>
        {path !== "" && <span className={styles.path}>{path.replace(/\/$/, "")}</span>}
      </div>
    </div>
  );
}
