import { Icon, type IconName } from "./icons";
import styles from "./EmptyState.module.css";

export type EmptyKind = "loading" | "unreachable" | "unsynced" | "quiet" | "filtered";

const WORDS: Readonly<Record<EmptyKind, { icon: IconName; title: string; text: string }>> = {
  loading: { icon: "clock", title: "Loading", text: "Asking the server what is being pulled." },
  unreachable: { icon: "alert", title: "The server does not answer", text: "Trying again until it does." },
  unsynced: { icon: "clock", title: "Nothing known yet", text: "The server is still reading the cluster." },
  quiet: {
    icon: "quiet",
    title: "All quiet",
    text: "No image is being pulled right now. A pull appears here as soon as its node reports it.",
  },
  filtered: { icon: "search", title: "No pull matches the filter", text: "" },
};

interface EmptyStateProps {
  readonly kind: EmptyKind;
  readonly filter: string;
  readonly onClearFilter: () => void;
}

/** Why there is nothing to see: not yet, not now, or not with this filter. */
export function EmptyState({ kind, filter, onClearFilter }: EmptyStateProps) {
  const { icon, title, text } = WORDS[kind];
  return (
    <div className={styles.empty} data-kind={kind}>
      <Icon name={icon} />
      <p className={styles.title}>{title}</p>
      {kind === "filtered" ? (
        <p className={styles.text}>
          Nothing that is pulling has “{filter}” in its image, node, pods or state.{" "}
          <button type="button" onClick={onClearFilter}>
            Clear the filter
          </button>
        </p>
      ) : (
        <p className={styles.text}>{text}</p>
      )}
    </div>
  );
}
