/*
 * From the text of a server-sent event to checked values. Nothing past this module sees a raw value: a message that makes
 * no sense is dropped, and fields that are not known are ignored. Times of the server's clock become times of the
 * page's: `nowMs` is when the text arrived, and the document says when it was written.
 */
import type { ClusterNode, Due, Failure, Layer, Message, Need, Phase, Pod, Pull, ToldPull, WaitingContainer, Workload } from "../model/types";
import { LAYER_STATES, NEED_STATES, PHASES, POD_STATES } from "../model/types";
import { amount, amountOrNull, fieldsOf, list, oneOf, record, text, time, type Fields } from "./values";

const MESSAGE_LENGTH = 2000;

/** Between the server's clock and the page's. */
interface Clocks {
  readonly nowMs: number;
  readonly offsetMs: number;
}

export function parseSnapshot(data: string, nowMs: number): Message | null {
  const fields = fieldsOf(data);
  if (fields === null || !Array.isArray(fields.pulls)) return null;
  const clocks = clocksOf(fields, nowMs);
  return {
    kind: "snapshot",
    synced: fields.synced === true,
    pulls: (fields.pulls as unknown[]).map((value) => pullOf(value, clocks)).filter((pull) => pull !== null),
    pods: Array.isArray(fields.pods)
      ? (fields.pods as unknown[]).map((value) => podOf(value, clocks)).filter((pod) => pod !== null)
      : null,
    serverOffsetMs: clocks.offsetMs,
  };
}

export function parseChange(data: string, nowMs: number): Message | null {
  const fields = fieldsOf(data);
  if (fields === null) return null;
  const type = text(fields.type);
  if (type.startsWith("pull.")) {
    const pull = pullOf(fields.pull, clocksOf(fields, nowMs));
    if (pull === null) return null;
    return type === "pull.removed" ? { kind: "pull-removed", id: pull.id } : { kind: "pull", pull };
  }
  if (type.startsWith("pod.")) {
    const pod = podOf(fields.pod, clocksOf(fields, nowMs));
    if (pod === null) return null;
    return type === "pod.removed" ? { kind: "pod-removed", id: pod.id } : { kind: "pod", pod };
  }
  // Changes of a single layer carry a pull without its layers; the page does not ask for them.
  return null;
}

/** The answer of `GET api/v1/nodes`; null when it is something else. */
export function parseNodes(data: string, nowMs: number): ClusterNode[] | null {
  const fields = fieldsOf(data);
  if (fields === null || !Array.isArray(fields.nodes)) return null;
  return (fields.nodes as unknown[]).flatMap((value) => {
    const node = record(value);
    if (node === null || text(node.nodeName) === "") return [];
    return [
      {
        nodeName: text(node.nodeName),
        reportedAtMs: nowMs - amount(node.lastReportSeconds) * 1000,
        stale: node.stale === true,
        bytesPerSec: amount(node.bytesPerSec),
        pulling: amount(node.pulling),
        queued: amount(node.queued),
        failing: amount(node.failing),
        parallel: node.parallel === true,
        trouble: text(node.trouble),
      },
    ];
  });
}

function clocksOf(fields: Fields, nowMs: number): Clocks {
  const writtenAtMs = time(fields.timestamp);
  return { nowMs, offsetMs: writtenAtMs === null ? 0 : nowMs - writtenAtMs };
}

function pullOf(value: unknown, clocks: Clocks): ToldPull | null {
  const fields = record(value);
  if (fields === null || text(fields.id) === "") return null;
  const completedAtMs = time(fields.completedAt);
  return {
    id: text(fields.id),
    nodeName: text(fields.nodeName),
    imageRef: text(fields.imageRef),
    nameKnown: fields.nameKnown === true,
    imageCandidates: list(fields.imageCandidates).map((name) => text(name)),
    phase: phaseOf(fields.phase, completedAtMs !== null),
    stale: fields.stale === true,
    totalKnown: fields.totalKnown === true,
    totalBytes: amount(fields.totalBytes),
    downloadedBytes: amount(fields.downloadedBytes),
    cachedBytes: amount(fields.cachedBytes),
    lazyBytes: amount(fields.lazyBytes),
    unpackedBytes: amount(fields.unpackedBytes),
    bytesPerSec: amount(fields.bytesPerSec),
    etaSeconds: amountOrNull(fields.etaSeconds),
    etaRangeSeconds: rangeOf(fields.etaRangeSeconds),
    layerCount: amount(fields.layerCount),
    layersDone: amount(fields.layersDone),
    startedAtMs: time(fields.startedAt),
    progressedAtMs: time(fields.progressedAt),
    completedAtMs,
    failure: failureOf(fields.failure, clocks) ?? messageAlone(fields.error),
    reachedContainerd: fields.reachedContainerd !== false,
    digest: text(fields.digest),
    pods: list(fields.pods).flatMap(containerOf),
    layers: [],
    rawLayers: fields.layers,
    heardAtMs: clocks.nowMs,
  };
}

/** The pull with its layers. */
export function withLayers(told: ToldPull): Pull {
  return { ...withoutLayers(told), layers: list(told.rawLayers).flatMap(layerOf) };
}

/** The pull as most pages need it. */
export function withoutLayers(told: ToldPull): Pull {
  const pull: Pull & { rawLayers?: unknown } = { ...told };
  delete pull.rawLayers;
  return pull;
}

function podOf(value: unknown, clocks: Clocks): Pod | null {
  const fields = record(value);
  if (fields === null || text(fields.podName) === "") return null;
  const [namespace, podName] = [text(fields.namespace), text(fields.podName)];
  const estimatedAtMs = time(fields.estimatedAt);
  // What is left counts from the moment of the estimate, which may be older than the message.
  const fromMs = estimatedAtMs === null ? clocks.nowMs : estimatedAtMs + clocks.offsetMs;
  return {
    id: `${namespace}/${podName}`,
    namespace,
    podName,
    nodeName: text(fields.nodeName),
    workload: workloadOf(fields.workload) ?? { namespace, kind: "Pod", name: podName },
    state: oneOf(POD_STATES, fields.state, "waiting"),
    waitingSinceMs: time(fields.waitingSince),
    endedAtMs: time(fields.endedAt),
    due: dueOf(fields, fromMs),
    needs: list(fields.images).flatMap((each) => needOf(each, fromMs, clocks)),
    moreNeeds: amount(fields.moreImages),
  };
}

function needOf(value: unknown, fromMs: number, clocks: Clocks): Need[] {
  const fields = record(value);
  if (fields === null) return [];
  return [
    {
      container: text(fields.container),
      role: text(fields.role),
      image: text(fields.image),
      state: oneOf(NEED_STATES, fields.state, "needed"),
      pullId: text(fields.pullId),
      behind: list(fields.behind)
        .map(record)
        .flatMap((ahead) => (ahead === null ? [] : [{ image: text(ahead.image), pullId: text(ahead.pullId) }])),
      due: dueOf(fields, fromMs),
      failure: failureOf(fields.failure, clocks),
    },
  ];
}

function dueOf(fields: Fields, fromMs: number): Due | null {
  const likely = amountOrNull(fields.etaSeconds);
  if (likely === null) return null;
  const [soonest, latest] = list(fields.etaRangeSeconds);
  return {
    likelyAtMs: fromMs + likely * 1000,
    soonestAtMs: fromMs + Math.min(likely, amountOrNull(soonest) ?? likely) * 1000,
    latestAtMs: latest === null ? null : fromMs + Math.max(likely, amountOrNull(latest) ?? likely) * 1000,
  };
}

function failureOf(value: unknown, clocks: Clocks): Failure | null {
  const fields = record(value);
  if (fields === null) return null;
  const retryAtMs = time(fields.retryAt);
  return {
    reason: text(fields.reason),
    message: text(fields.message, MESSAGE_LENGTH),
    advice: text(fields.advice),
    tries: amount(fields.tries),
    retryAtMs: retryAtMs === null ? null : retryAtMs + clocks.offsetMs,
  };
}

/** An older server says only the message. */
function messageAlone(error: unknown): Failure | null {
  const message = text(error, MESSAGE_LENGTH);
  return message === "" ? null : { reason: "unknown", message, advice: "", tries: 0, retryAtMs: null };
}

function workloadOf(value: unknown): Workload | null {
  const fields = record(value);
  if (fields === null) return null;
  return { namespace: text(fields.namespace), kind: text(fields.kind), name: text(fields.name) };
}

function rangeOf(value: unknown): readonly [number, number] | null {
  const [soonest, latest] = list(value).map(amount);
  return soonest !== undefined && latest !== undefined && soonest <= latest ? [soonest, latest] : null;
}

function containerOf(value: unknown): WaitingContainer[] {
  const fields = record(value);
  if (fields === null) return [];
  return [
    {
      namespace: text(fields.namespace),
      podName: text(fields.podName),
      container: text(fields.container),
      image: text(fields.image),
      workload: workloadOf(fields.workload),
    },
  ];
}

function layerOf(value: unknown): Layer[] {
  const fields = record(value);
  if (fields === null) return [];
  return [
    {
      digest: text(fields.digest),
      state: oneOf(LAYER_STATES, fields.state, "queued"),
      totalKnown: fields.totalKnown === true,
      totalBytes: amount(fields.totalBytes),
      downloadedBytes: amount(fields.downloadedBytes),
    },
  ];
}

/** A phase that a newer server may know: nobody here can say what it means, only whether the pull has ended. */
function phaseOf(value: unknown, ended: boolean): Phase {
  return oneOf(PHASES, value, ended ? "unknown" : "resolving");
}
