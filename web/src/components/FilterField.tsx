import { useEffect, useRef } from "react";
import { Icon } from "./icons";
import styles from "./FilterField.module.css";

export function FilterField({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  const field = useRef<HTMLInputElement>(null);

  useEffect(() => {
    function focusOnSlash(event: KeyboardEvent) {
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.target instanceof HTMLInputElement) return;
      event.preventDefault();
      field.current?.focus();
    }
    document.addEventListener("keydown", focusOnSlash);
    return () => document.removeEventListener("keydown", focusOnSlash);
  }, []);

  return (
    <div className={styles.field} role="search">
      <Icon name="search" />
      <input
        ref={field}
        type="search"
        aria-label="Filter pulls"
        aria-keyshortcuts="/"
        placeholder="Filter by image, node, pod or state"
        autoComplete="off"
        spellCheck={false}
        value={value}
        onChange={(event) => onChange(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") onChange("");
        }}
      />
      <kbd>/</kbd>
    </div>
  );
}
