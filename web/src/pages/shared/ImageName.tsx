import type { Pull } from "../../model/types";
import { imageLabel, imageTitle } from "../../model/image";
import styles from "./ImageName.module.css";

export function ImageName({ pull }: { pull: Pull }) {
  const { path, name, tag, hint } = imageTitle(pull);
  return (
    <div className={styles.image} dir="ltr">
      <div className={styles.title} title={pull.nameKnown ? pull.imageRef : imageLabel(pull)}>
        <span className={pull.imageRef === "" ? styles.unnamed : styles.name}>{name}</span>
        {tag}
      </div>
      {hint !== "" && <div className={styles.below}>{hint}</div>}
      {path !== "" && <div className={styles.below}>{path.replace(/\/$/, "")}</div>}
    </div>
  );
}
