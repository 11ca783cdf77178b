/* The home of the page: pods by workload, what they wait for and when they are ready; the soonest first. */
import { useMemo } from "react";
import { useCluster, useRoute, useSelector } from "../../data/useStore";
import type { Pods, Rows } from "../../model/cluster";
import { matchesPod } from "../../model/filter";
import { groupsOf, type Group } from "../../model/groups";
import { asText, podSentence } from "../../model/sentences";
import { isPending, type Pod, type Thresholds } from "../../model/types";
import { retentionText } from "../../model/words";
import { Section } from "../../ui/Section";
import { useSteadyOrder } from "../../ui/useSteadyOrder";
import { VirtualRows } from "../../ui/VirtualRows";
import { EmptyState } from "../shared/EmptyState";
import { PodRow } from "./PodRow";
import styles from "./WaitingPage.module.css";
import { WorkloadHead } from "./WorkloadHead";

/** The number of pods of a closed workload that are shown. */
const FIRST_PODS = 3;

type Item =
  | { readonly kind: "group"; readonly key: string; readonly group: Group; readonly shown: number; readonly last: boolean }
  /** `alone`: the only pod of its workload, without a head. */
  | { readonly kind: "pod"; readonly key: string; readonly pod: Pod; readonly last: boolean; readonly alone: boolean };

export function WaitingPage() {
  const all = useCluster("pods");
  const thresholds = useCluster("thresholds");
  const route = useRoute();
  const groups = useMemo(() => groupsOf([...all.values()].filter((pod) => matchesPod(pod, route))), [all, route]);
  const { waiting, failing, ready } = groups;
  return (
    <>
      {waiting.length + failing.length === 0 && (
        <EmptyState filtered={isAnyPending(all)} quiet="No pods waiting for images. A pod appears as soon as it waits for one." />
      )}
      {waiting.length > 0 && (
        <Section title="Waiting for images" note="soonest first">
          <Groups label="Waiting pods" groups={waiting} firstPods={FIRST_PODS} />
        </Section>
      )}
      {failing.length > 0 && (
        <Section title="Cannot start" note="blocked until fixed or until a retry succeeds">
          <Groups label="Pods that cannot start" groups={failing} firstPods={FIRST_PODS} />
        </Section>
      )}
      {ready.length > 0 && (
        <Section title="Images ready" note={retentionText(thresholds)}>
          <Groups label="Pods with all images" groups={ready} firstPods={0} />
        </Section>
      )}
    </>
  );
}

function isAnyPending(pods: Pods): boolean {
  for (const pod of pods.values()) if (isPending(pod)) return true;
  return false;
}

function Groups({ label, groups, firstPods }: { label: string; groups: readonly Group[]; firstPods: number }) {
  const { open } = useRoute();
  const target = useSelector((state) => state.target);
  const rows = useCluster("rows");
  const thresholds = useCluster("thresholds");
  const receivedAtMs = useCluster("receivedAtMs") ?? 0;
  const sorted = useMemo(() => groups.flatMap((group) => [group.key, ...group.pods.map((pod) => pod.id)]), [groups]);
  const { order, handlers } = useSteadyOrder(sorted);
  const items = useMemo(() => {
    const ranks = new Map(order.map((id, index) => [id, index]));
    const byOrder = <T,>(values: readonly T[], idOf: (value: T) => string) => values.toSorted((a, b) => (ranks.get(idOf(a)) ?? 0) - (ranks.get(idOf(b)) ?? 0));
    return byOrder(groups, (group) => group.key).flatMap((group) => itemsOf(group, byOrder(group.pods, (pod) => pod.id), firstPods, [...open, target]));
  }, [groups, order, firstPods, open, target]);
  return (
    <div {...handlers} role="presentation">
      <VirtualRows
        label={label}
        className={styles.list}
        rows={items}
        keyOf={(item) => item.key}
        estimatePx={(item) => (item.kind === "group" ? 64 : 66)}
        labelOf={(item) => labelOf(item, rows, receivedAtMs, thresholds)}
        render={(item) => (
          <div className={styles.item} data-kind={item.kind} data-first={item.kind === "group" || item.alone} data-last={item.last}>
            {item.kind === "group" ? (
              <WorkloadHead group={item.group} shown={item.shown} open={open.includes(item.key)} />
            ) : (
              <PodRow pod={item.pod} rows={rows} alone={item.alone} open={open.includes(item.key)} />
            )}
          </div>
        )}
      />
    </div>
  );
}

function itemsOf(group: Group, pods: readonly Pod[], first: number, open: readonly string[]): Item[] {
  const [only] = pods;
  if (only !== undefined && pods.length === 1) return [{ kind: "pod", key: only.id, pod: only, last: true, alone: true }];
  const all = open.includes(group.key);
  // An opened pod, and the target of a jump, stay visible. A closed workload hides its ready pods.
  const shown = pods.filter((pod, index) => all || open.includes(pod.id) || (index < first && pod.state !== "ready"));
  const head: Item = { kind: "group", key: group.key, group, shown: shown.length, last: shown.length === 0 };
  return [head, ...shown.map((pod, index): Item => ({ kind: "pod", key: pod.id, pod, last: index === shown.length - 1, alone: false }))];
}

function labelOf(item: Item, rows: Rows, nowMs: number, thresholds: Thresholds): string {
  if (item.kind === "group") return `${item.group.workload.kind} ${item.group.workload.namespace}/${item.group.workload.name}`;
  return `${item.pod.podName} ${asText(podSentence(item.pod, rows, nowMs, thresholds))}`;
}
