import type { ReactNode } from "react";
import { useCluster, useRoute, useStore } from "../../data/useStore";
import { AGENTS } from "../../model/kubectl";
import { PHASE_WORDS } from "../../model/words";
import { Commands } from "../../ui/Commands";
import { Icon, type IconName } from "../../ui/Icon";
import styles from "./EmptyState.module.css";

interface EmptyStateProps {
  /** The filter hides all rows. */
  readonly filtered: boolean;
  /** The text while all is well and the view has no rows. */
  readonly quiet: string;
}

/** Why a view has no rows. */
export function EmptyState({ filtered, quiet }: EmptyStateProps) {
  const connection = useCluster("connection");
  const loaded = useCluster("loaded");
  const synced = useCluster("synced");
  const nodes = useCluster("nodes");
  if (filtered) return <NoMatches />;
  if (!loaded && connection.kind === "lost") return <Message icon="alert" title="Server unreachable" kind="unreachable" text="Retrying automatically." />;
  if (!loaded) return <Message icon="clock" title="Loading" kind="loading" text="Reading pulls and pods from the server." />;
  if (!synced) return <Message icon="clock" title="No data yet" kind="unsynced" text="The server is still reading the cluster." />;
  if (nodes === null || nodes.some((node) => !node.stale)) return <Message icon="quiet" title="All quiet" kind="quiet" text={quiet} />;
  return (
    <Message icon="stale" title="No agents reporting" kind="no-agents" text="An agent on each node reports its pulls. This command lists the agents:">
      <Commands commands={[AGENTS]} />
    </Message>
  );
}

function NoMatches() {
  const { view, query, namespace, state } = useRoute();
  const store = useStore();
  const word = Object.entries(PHASE_WORDS).find(([phase]) => phase === state)?.[1].word ?? state;
  const filters = [query && `“${query}”`, namespace && `namespace “${namespace}”`, state && `${view === "history" ? "outcome" : "phase"} “${word}”`].filter(Boolean);
  return (
    <Message icon="search" title={`No matches for ${filters.join(", ")}`} kind="filtered">
      <button type="button" className={styles.clear} onClick={() => store.clearFilter()}>
        Clear filter
      </button>
    </Message>
  );
}

function Message({ icon, title, text, kind, children }: { icon: IconName; title: string; text?: string; kind: string; children?: ReactNode }) {
  return (
    <div className={styles.empty} data-kind={kind}>
      <Icon name={icon} />
      <p className={styles.title}>{title}</p>
      {text !== undefined && <p className={styles.text}>{text}</p>}
      {children}
    </div>
  );
}

