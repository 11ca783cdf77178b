import { Icon } from "./icons";
import styles from "./Rows.module.css";

export function NodeName({ name }: { name: string }) {
  return (
    <span className={styles.node} title={`Node ${name}`} dir="ltr">
      <Icon name="node" />
      <span className={styles.nodeName}>{name}</span>
    </span>
  );
}
