import type { Pull } from "../api/types";
import { imageLabel, imageTitle } from "../lib/image";
import styles from "./ImageName.module.css";

/** The path gives way first when there is no room, then the name; the tag is what tells two apart. */
export function ImageName({ pull }: { pull: Pull }) {
  const { path, name, tag, hint } = imageTitle(pull);
  return (
    <span className={styles.image} title={pull.nameKnown ? pull.imageRef : imageLabel(pull)} dir="ltr">
      <span className={styles.line}>
        {path !== "" && <span className={styles.path}>{path}</span>}
        <span className={pull.imageRef === "" ? styles.unnamed : styles.name}>{name}</span>
        {tag !== "" && <span className={styles.tag}>{tag}</span>}
      </span>
      {hint !== "" && <span className={styles.hint}>{hint}</span>}
    </span>
  );
}
