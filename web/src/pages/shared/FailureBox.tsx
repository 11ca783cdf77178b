import { count } from "../../model/format";
import type { Failure } from "../../model/types";
import { CopyButton } from "../../ui/Commands";
import { Retry } from "../../ui/Time";
import styles from "./FailureBox.module.css";

/** Why a pull failed, with advice, the next retry and the raw message. */
export function FailureBox({ failure }: { failure: Failure }) {
  const { reason, message, advice, tries, retryAtMs } = failure;
  return (
    <div className={styles.failure}>
      <p className={styles.head}>
        <code>{reason === "" ? "unknown" : reason}</code>
        {advice !== "" && <span>{advice}</span>}
        {tries > 0 && <span className={styles.muted}>{count(tries, "attempt", "attempts")}</span>}
        {retryAtMs !== null && (
          <span className={styles.muted}>
            <Retry atMs={retryAtMs} />
          </span>
        )}
      </p>
      {message !== "" && (
        <div className={styles.message}>
          {/* The keyboard scrolls a long message too. */}
          <pre tabIndex={0} role="region" aria-label="Message">
            {message}
          </pre>
          <CopyButton text={message} label="Copy message" />
        </div>
      )}
    </div>
  );
}
