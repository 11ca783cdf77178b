import type { Need } from "../../model/types";
import { shortImage } from "../../model/image";
import { usePlace } from "../../data/Place";
import styles from "./Queued.module.css";

/** What stands in front of it, with a jump to its row. */
export function Queued({ need }: { need: Need }) {
  const { jump } = usePlace();
  const [first] = need.behind;
  if (first === undefined) return <p className={styles.behind}>Waits for its turn.</p>;
  const name = shortImage(first.image);
  if (first.pullId === "") return <p className={styles.behind}>Behind {name}</p>;
  return (
    <button type="button" className={styles.jump} onClick={() => jump("pulls", first.pullId)}>
      Behind {name}
    </button>
  );
}
