/*
 * Commands to copy. What they name was chosen by whoever made the pod, and a shell will read it: a name that no object of
 * Kubernetes can have gives no command at all.
 */
import type { Workload } from "./types";

const NAME = /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/;
const KIND = /^[A-Za-z][A-Za-z0-9]*$/;

export interface Command {
  /** What it shows. */
  readonly label: string;
  readonly line: string;
}

function command(label: string, names: readonly string[], line: string): Command[] {
  return names.every((name) => name.length <= 253 && NAME.test(name)) ? [{ label, line }] : [];
}

export function podCommands(namespace: string, podName: string): Command[] {
  return command("The pod and its events", [namespace, podName], `kubectl -n ${namespace} describe pod ${podName}`);
}

const WITH_ROLLOUT = new Set(["Deployment", "StatefulSet", "DaemonSet"]);

export function workloadCommands({ namespace, kind, name }: Workload): Command[] {
  if (!KIND.test(kind)) return [];
  if (kind === "Pod") return podCommands(namespace, name);
  const target = `${kind.toLowerCase()}/${name}`;
  return command(
    WITH_ROLLOUT.has(kind) ? "How the roll-out goes" : "What it is",
    [namespace, name],
    WITH_ROLLOUT.has(kind) ? `kubectl -n ${namespace} rollout status ${target}` : `kubectl -n ${namespace} describe ${target}`,
  );
}

export function nodeCommands(nodeName: string): Command[] {
  return command("Pods that wait on the node", [nodeName], `kubectl get pods -A --field-selector spec.nodeName=${nodeName},status.phase=Pending`);
}

/** The Lease that the node's agent writes: what this page is made of. */
export function leaseCommands(nodeName: string): Command[] {
  return command("What its agent reports", [nodeName], `kubectl get leases -A --field-selector metadata.name=${nodeName} -o yaml`);
}

export const AGENTS: Command = {
  label: "Where the agents are and what keeps them from starting",
  line: "kubectl get daemonsets,pods -A -l app.kubernetes.io/name=pulltrace,app.kubernetes.io/component=agent -o wide",
};
