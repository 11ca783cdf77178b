import { Icon } from "./Icon";
import styles from "./Toggle.module.css";

/** Opens a row. The keys j and k go from one to the next. */
export function Toggle({ open, label, onToggle }: { open: boolean; label: string; onToggle: () => void }) {
  return (
    <button type="button" className={styles.toggle} data-toggle="" aria-expanded={open} aria-label={label} onClick={onToggle}>
      <Icon name="chevron" />
    </button>
  );
}
