import styles from "./Legend.module.css";

/** What the shades of a bar mean. */
export function Legend() {
  return (
    <ul className={styles.legend} aria-label="Shades of a bar">
      <li data-fill="unpacked">Unpacked</li>
      <li data-fill="downloaded">Downloaded</li>
      <li data-fill="estimated">Estimated since the last report</li>
    </ul>
  );
}
