import type { Failure } from "../../model/types";
import { count } from "../../model/format";
import { CopyButton } from "../../ui/Commands";
import styles from "./FailureBox.module.css";
import { Retry } from "../../ui/Time";

/** Why an image could not be pulled: what to do, when it is tried again, and the raw message to take along. */
export function FailureBox({ failure }: { failure: Failure }) {
  const { reason, message, advice, tries, retryAtMs } = failure;
  return (
    <div className={styles.failure}>
      <p className={styles.head}>
        <code>{reason === "" ? "unknown" : reason}</code>
        {advice !== "" && <span>{advice}</span>}
        {tries > 0 && <span className={styles.muted}>{count(tries, "try", "tries")} so far</span>}
        {retryAtMs !== null && (
          <span className={styles.muted}>
            <Retry atMs={retryAtMs} />
          </span>
        )}
      </p>
      {message !== "" && (
        <div className={styles.message}>
          {/* A long message is scrolled, also by keyboard. */}
          <pre tabIndex={0} role="region" aria-label="Message">
            {message}
          </pre>
          <CopyButton text={message} label="Copy the message" />
        </div>
      )}
    </div>
  );
}
