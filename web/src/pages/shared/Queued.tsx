import { useStore } from "../../data/useStore";
import { shortImage } from "../../model/image";
import type { PendingImage } from "../../model/types";
import styles from "./Queued.module.css";

/** The pull before a queued image, with a jump to its row. */
export function Queued({ image }: { image: PendingImage }) {
  const store = useStore();
  const [first] = image.behind;
  if (first === undefined) return <p className={styles.behind}>Queued</p>;
  const name = shortImage(first.image);
  if (first.pullId === "") return <p className={styles.behind}>Behind {name}</p>;
  return (
    <button type="button" className={styles.jump} onClick={() => store.jump("pulls", first.pullId)}>
      Behind {name}
    </button>
  );
}
