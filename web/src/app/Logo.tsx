import styles from "./Logo.module.css";

export function Logo() {
  return (
    <svg className={styles.logo} viewBox="0 0 32 32" width="26" height="26" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="8" />
      <path d="M16 6.5v9m-4-3.6 4 4 4-4" />
      <path d="m7 17.5 9 4.4 9-4.4M7 21.6l9 4.4 9-4.4" opacity=".85" />
    </svg>
  );
}
