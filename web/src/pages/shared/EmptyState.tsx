import type { ReactNode } from "react";
import type { Cluster } from "../../model/cluster";
import { nodesOf } from "../../model/derived";
import { AGENTS } from "../../model/kubectl";
import { Commands } from "../../ui/Commands";
import styles from "./EmptyState.module.css";
import { Icon, type IconName } from "../../ui/Icon";
import { usePlace } from "../../data/Place";

export type EmptyKind = "loading" | "unreachable" | "unsynced" | "no-agents" | "quiet" | "filtered";

/** Why there is nothing to see. `any`: there would be, without the filter. */
export function whyEmpty(cluster: Cluster, any: boolean): EmptyKind {
  if (any) return "filtered";
  if (!cluster.loaded) return cluster.connection.kind === "lost" ? "unreachable" : "loading";
  if (!cluster.synced) return "unsynced";
  if (cluster.nodes === null) return "quiet";
  const heard = nodesOf(cluster).some((node) => !node.stale);
  return heard ? "quiet" : "no-agents";
}

const QUIET: Readonly<Record<"waits" | "pulls" | "ended" | "nodes" | "rollout", string>> = {
  waits: "No pod waits for an image. One that does appears here by itself.",
  pulls: "No image is being pulled right now. A pull appears here as soon as its node reports it.",
  ended: "No pull has ended in the last half hour.",
  nodes: "No node has been heard of yet.",
  rollout: "No workload has waited for an image in the last half hour.",
};

export function EmptyState({ kind, what }: { kind: EmptyKind; what: keyof typeof QUIET }) {
  const { place, change } = usePlace();
  switch (kind) {
    case "loading":
      return <Words icon="clock" title="Loading" kind={kind} text="Asking the server what is being pulled." />;
    case "unreachable":
      return <Words icon="alert" title="The server does not answer" kind={kind} text="Trying again until it does." />;
    case "unsynced":
      return <Words icon="clock" title="Nothing known yet" kind={kind} text="The server is still reading the cluster." />;
    case "no-agents":
      return (
        <Words icon="silent" title="No agent reports" kind={kind} text="What is pulled is told by an agent on each node, and none is heard of. This shows what keeps them:">
          <Commands commands={[AGENTS]} />
        </Words>
      );
    case "quiet":
      return <Words icon="quiet" title="All quiet" kind={kind} text={QUIET[what]} />;
    case "filtered": {
      const filters = [place.query && `“${place.query}”`, place.namespace && `namespace ${place.namespace}`, place.state].filter(Boolean);
      return (
        <Words icon="search" title="Hidden by the filter" kind={kind} text={`Nothing here fits ${filters.join(", ")}.`}>
          <button type="button" className={styles.clear} onClick={() => change({ query: "", namespace: "", state: "" })}>
            Clear the filter
          </button>
        </Words>
      );
    }
  }
}

function Words({ icon, title, text, kind, children }: { icon: IconName; title: string; text: string; kind: EmptyKind; children?: ReactNode }) {
  return (
    <div className={styles.empty} data-kind={kind}>
      <Icon name={icon} />
      <p className={styles.title}>{title}</p>
      <p className={styles.text}>{text}</p>
      {children}
    </div>
  );
}
