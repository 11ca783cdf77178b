import type { Need } from "../api/types";
import { shortImage } from "../lib/image";
import { usePlace } from "./Place";
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
