/*
 * Commands to copy. Any user who may create a pod chooses the names in them, and a shell reads them: a name that is
 * invalid in Kubernetes gives no command.
 */
import type { Workload } from "./types";

const NAME = /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/;
const KIND = /^[A-Za-z][A-Za-z0-9]*$/;

export interface Command {
  readonly label: string;
  readonly line: string;
}

function command(label: string, names: readonly string[], line: string): Command[] {
  return names.every((name) => name.length <= 253 && NAME.test(name)) ? [{ label, line }] : [];
}

export function podCommands(namespace: string, podName: string): Command[] {
  return command("Pod and its events", [namespace, podName], `kubectl -n ${namespace} describe pod ${podName}`);
}

const WITH_ROLLOUT = new Set(["Deployment", "StatefulSet", "DaemonSet"]);

export function workloadCommands({ namespace, kind, name }: Workload): Command[] {
  if (!KIND.test(kind)) return [];
  if (kind === "Pod") return podCommands(namespace, name);
  const target = `${kind.toLowerCase()}/${name}`;
  return command(
    WITH_ROLLOUT.has(kind) ? "Rollout status" : "Description",
    [namespace, name],
    WITH_ROLLOUT.has(kind) ? `kubectl -n ${namespace} rollout status ${target}` : `kubectl -n ${namespace} describe ${target}`,
  );
}

export function nodeCommands(nodeName: string): Command[] {
  return command("Pending pods on this node", [nodeName], `kubectl get pods -A --field-selector spec.nodeName=${nodeName},status.phase=Pending`);
}

export function leaseCommands(nodeName: string): Command[] {
  return command("Agent report (Lease)", [nodeName], `kubectl get leases -A --field-selector metadata.name=${nodeName} -o yaml`);
}

export const AGENTS: Command = {
  label: "Agents and their pods",
  line: "kubectl get daemonsets,pods -A -l app.kubernetes.io/name=pulltrace,app.kubernetes.io/component=agent -o wide",
};
