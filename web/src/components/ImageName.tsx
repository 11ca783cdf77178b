import type { Pull } from "../api/types";
import { imageLabel, imageTitle } from "../lib/image";
import styles from "./ImageName.module.css";

/** The path gives way first when there is no room: the name and its tag are what people look for. */
export function ImageName({ pull }: { pull: Pull }) {
  const { path, name, hint } = imageTitle(pull);
  return (
    <span className={styles.image} title={pull.nameKnown ? pull.imageRef : imageLabel(pull)} dir="ltr">
      <span className={styles.line}>
        {path !== "" && <span className={styles.path}>{path}</span>}
        <span className={pull.imageRef === "" ? styles.unnamed : styles.name}>{name}</span>
      </span>
      {hint !== "" && <span className={styles.hint}>{hint}</span>}
    </span>
  );
}
