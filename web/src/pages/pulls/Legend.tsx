import styles from "./Legend.module.css";

export function Legend() {
  return (
    <ul className={styles.legend} aria-label="Legend of the bars">
      <li data-fill="unpacked">Unpacked</li>
      <li data-fill="downloaded">Downloaded</li>
      <li data-fill="estimated">Estimated since the last report</li>
    </ul>
  );
}
