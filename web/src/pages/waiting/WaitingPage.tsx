/*
 * The home of the page: which pods wait, what they belong to, what they wait for and when it will be there; the soonest
 * first. Below that what cannot start, and what has become ready of late.
 */
import { useMemo } from "react";
import type { Pod } from "../../model/types";
import type { Cluster } from "../../model/cluster";
import { matchesPod } from "../../model/filter";
import { heldOrder } from "../../model/sorting";
import { asText, podSentence } from "../../model/sentences";
import { groupsOf, type Group } from "../../model/groups";
import { EmptyState, whyEmpty } from "../shared/EmptyState";
import { useLive } from "../../data/Live";
import { usePlace } from "../../data/Place";
import { GroupHead } from "./GroupHead";
import { PodRow } from "./PodRow";
import { Section } from "../../ui/Section";
import { useHeld, useHold } from "../../ui/useHeld";
import { VirtualRows } from "../../ui/VirtualRows";
import styles from "./WaitingPage.module.css";

/** So many pods of a workload are shown before it is opened. */
const FIRST_PODS = 3;

type Item =
  | { readonly kind: "group"; readonly key: string; readonly group: Group; readonly shown: number; readonly last: boolean }
  /** `alone`: the only one of its workload, which then has no head of its own. */
  | { readonly kind: "pod"; readonly key: string; readonly pod: Pod; readonly last: boolean; readonly alone: boolean };

export function WaitingPage() {
  const { cluster } = useLive();
  const { place } = usePlace();
  const pods = useMemo(() => [...cluster.pods.values()].filter((pod) => matchesPod(pod, place)), [cluster.pods, place]);
  const groups = useMemo(() => groupsOf(pods), [pods]);
  const empty = groups.waiting.length + groups.failing.length === 0;
  return (
    <>
      {empty ? (
        <EmptyState kind={whyEmpty(cluster, anyWaits(cluster.pods.values()))} what="waits" />
      ) : (
        <>
          {groups.waiting.length > 0 && (
            <Section title="Waiting for images" note="the soonest first">
              <Groups label="Waiting pods" groups={groups.waiting} cluster={cluster} />
            </Section>
          )}
          {groups.failing.length > 0 && (
            <Section title="Cannot start" note="until somebody mends it, or the next try works">
              <Groups label="Pods that cannot start" groups={groups.failing} cluster={cluster} />
            </Section>
          )}
        </>
      )}
      {groups.ready.length > 0 && (
        <Section title="Have their images" note="since less than half an hour">
          <Groups label="Pods that have their images" groups={groups.ready} cluster={cluster} closed />
        </Section>
      )}
    </>
  );
}

function anyWaits(pods: Iterable<Pod>): boolean {
  for (const { state } of pods) if (state === "waiting" || state === "failing") return true;
  return false;
}

interface GroupsProps {
  readonly label: string;
  readonly groups: readonly Group[];
  readonly cluster: Cluster;
  /** Only the workloads, until they are opened. */
  readonly closed?: boolean;
}

interface Order {
  readonly keys: readonly string[];
  readonly pods: Readonly<Record<string, readonly string[]>>;
}

function Groups({ label, groups, cluster, closed }: GroupsProps) {
  const { place, target } = usePlace();
  const { held, handlers } = useHold();
  const wanted = useMemo(
    (): Order => ({
      keys: groups.map((group) => group.key),
      pods: Object.fromEntries(groups.map((group) => [group.key, group.pods.map((pod) => pod.id)])),
    }),
    [groups],
  );
  const order = useHeld(wanted, held, mergeOrders);
  const items = useMemo(() => {
    const byKey = new Map(groups.map((group) => [group.key, group]));
    return order.keys.flatMap((key) => {
      const group = byKey.get(key);
      return group === undefined ? [] : itemsOf(group, order.pods[key] ?? [], closed === true ? 0 : FIRST_PODS, [...place.open, target]);
    });
  }, [groups, order, closed, place.open, target]);

  return (
    <div {...handlers} role="presentation">
      <VirtualRows
        label={label}
        className={styles.list}
        rows={items}
        keyOf={(item) => item.key}
        estimatePx={(item) => (item.kind === "group" ? 64 : 66)}
        labelOf={(item) => labelOf(item, cluster)}
        render={(item) => (
          <div className={styles.item} data-kind={item.kind} data-first={item.kind === "group" || item.alone} data-last={item.last}>
            {item.kind === "group" ? (
              <GroupHead group={item.group} shown={item.shown} open={place.open.includes(item.key)} />
            ) : (
              <PodRow pod={item.pod} rows={cluster.rows} alone={item.alone} open={place.open.includes(item.key)} />
            )}
          </div>
        )}
      />
    </div>
  );
}

function mergeOrders(before: Order, wanted: Order): Order {
  const keys = heldOrder(before.keys, wanted.keys);
  return { keys, pods: Object.fromEntries(keys.map((key) => [key, heldOrder(before.pods[key] ?? [], wanted.pods[key] ?? [])])) };
}

function itemsOf(group: Group, order: readonly string[], first: number, open: readonly string[]): Item[] {
  const byId = new Map(group.pods.map((pod) => [pod.id, pod]));
  const pods = order.map((id) => byId.get(id)).filter((pod) => pod !== undefined);
  const [only] = pods;
  if (only !== undefined && pods.length === 1) return [{ kind: "pod", key: only.id, pod: only, last: true, alone: true }];
  const all = open.includes(group.key);
  // What somebody has opened, or was sent to, stays in sight. Of a workload that still waits the ready pods do not matter.
  const shown = pods.filter((pod, index) => all || open.includes(pod.id) || (index < first && pod.state !== "ready"));
  const head: Item = { kind: "group", key: group.key, group, shown: shown.length, last: shown.length === 0 };
  return [head, ...shown.map((pod, index): Item => ({ kind: "pod", key: pod.id, pod, last: index === shown.length - 1, alone: false }))];
}

function labelOf(item: Item, cluster: Cluster): string {
  if (item.kind === "group") return `${item.group.workload.kind} ${item.group.workload.namespace}/${item.group.workload.name}`;
  return `${item.pod.podName} ${asText(podSentence(item.pod, cluster.rows, cluster.heardAtMs ?? 0))}`;
}
