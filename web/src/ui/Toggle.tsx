import { useStore } from "../data/useStore";
import { Icon } from "./Icon";
import styles from "./Toggle.module.css";

/** Opens the row of an id. The keys j and k move from one toggle to the next. */
export function Toggle({ id, open, label }: { id: string; open: boolean; label: string }) {
  const store = useStore();
  return (
    <button type="button" className={styles.toggle} data-toggle="" aria-expanded={open} aria-label={label} onClick={() => store.toggle(id)}>
      <Icon name="chevron" />
    </button>
  );
}
