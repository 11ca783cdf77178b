/*
 * From JSON text to checked values; no other module sees raw values. Any user who may create a pod chooses names, and a
 * registry chooses messages. So a value of the wrong kind becomes a neutral one, a row without an id is dropped,
 * unknown fields are ignored, and invisible characters become visible. `nowMs`: the text's arrival on the page's clock.
 */
import * as v from "valibot";
import type { components } from "../model/api";
import type { ClusterNode, Estimate, Failure, ImageState, Layer, LayerState, PendingImage, Phase, Pod, PodState, Pull, Thresholds } from "../model/types";
import { visibleText } from "./text";

type Api = components["schemas"];
/** A schema for fields of the API: a key that the API does not have does not compile. */
type Fields<T> = { readonly [Key in keyof T]?: v.GenericSchema };

const MAX_MESSAGE_LENGTH = 2000;
/** The server bounds the lists of a row; only lists of rows are longer. */
const MAX_LIST = 1000;

const text = v.fallback(v.pipe(v.string(), v.transform((value) => visibleText(value))), "");
const message = v.fallback(v.pipe(v.string(), v.transform((value) => visibleText(value, MAX_MESSAGE_LENGTH))), "");
const required = v.pipe(v.string(), v.nonEmpty(), v.transform((value) => visibleText(value)));
const flag = v.fallback(v.boolean(), false);
const number = v.pipe(v.number(), v.finite(), v.minValue(0));
const amount = v.fallback(number, 0);
const amountOrNull = v.fallback(v.nullable(number), null);
/** Unix milliseconds. */
const time = v.fallback(v.nullable(v.pipe(v.string(), v.transform(Date.parse), v.number())), null);

function oneOf<T extends string>(values: Readonly<Record<T, true>>, neutral: T) {
  return v.fallback(v.picklist(Object.keys(values) as T[]), neutral);
}

/** A list without its invalid items. */
function listOf<T>(schema: v.GenericSchema<unknown, T>) {
  return v.fallback(v.pipe(v.array(v.unknown()), v.transform((items) => valid(schema, items.slice(0, MAX_LIST)))), []);
}

function valid<T>(schema: v.GenericSchema<unknown, T>, items: readonly unknown[]): T[] {
  return items.flatMap((item) => {
    const result = v.safeParse(schema, item);
    return result.success ? [result.output] : [];
  });
}

const WORKLOAD = v.object({ namespace: text, kind: text, name: text } satisfies Fields<Api["Workload"]>);
const CONTAINER = v.object({ namespace: text, podName: text, container: text, image: text } satisfies Fields<Api["WaitingContainer"]>);
const RANGE = v.fallback(v.nullable(v.tuple([number, v.nullable(number)])), null);

const FAILURE = v.object({ reason: text, message, advice: text, tries: amount, retryAt: time } satisfies Fields<Api["Failure"]>);
const failure = v.fallback(v.nullable(FAILURE), null);

const LAYER_STATES: Record<LayerState, true> = { queued: true, cached: true, downloading: true, downloaded: true, unpacking: true, done: true, lazy: true };
const LAYER = v.object({
  digest: text,
  state: oneOf(LAYER_STATES, "queued"),
  totalKnown: flag,
  totalBytes: amount,
  downloadedBytes: amount,
} satisfies Fields<Api["Layer"]>);

const PHASES: Record<Phase, true> = { resolving: true, downloading: true, unpacking: true, completed: true, failed: true, unknown: true };
const PULL = v.object({
  id: required,
  nodeName: text,
  imageRef: text,
  nameKnown: flag,
  imageCandidates: listOf(text),
  phase: v.fallback(v.nullable(v.picklist(Object.keys(PHASES) as Phase[])), null),
  stale: flag,
  totalKnown: flag,
  totalBytes: amount,
  downloadedBytes: amount,
  cachedBytes: amount,
  lazyBytes: amount,
  unpackedBytes: amount,
  bytesPerSec: amount,
  etaSeconds: amountOrNull,
  etaRangeSeconds: RANGE,
  layerCount: amount,
  layersDone: amount,
  startedAt: time,
  progressedAt: time,
  completedAt: time,
  failure,
  error: message,
  reachedContainerd: v.fallback(v.boolean(), true),
  digest: text,
  pods: listOf(CONTAINER),
  layers: v.optional(v.unknown()),
} satisfies Fields<Api["Pull"]>);

const IMAGE_STATES: Record<ImageState, true> = { needed: true, queued: true, pulling: true, failed: true };
const PENDING_IMAGE = v.object({
  container: text,
  role: text,
  image: text,
  state: oneOf(IMAGE_STATES, "needed"),
  pullId: text,
  behind: listOf(v.object({ image: text, pullId: text } satisfies Fields<Api["Ahead"]>)),
  etaSeconds: amountOrNull,
  etaRangeSeconds: RANGE,
  failure,
} satisfies Fields<Api["Need"]>);

const POD_STATES: Record<PodState, true> = { waiting: true, failing: true, ready: true, gone: true };
const POD = v.object({
  namespace: text,
  podName: required,
  nodeName: text,
  workload: v.fallback(v.nullable(WORKLOAD), null),
  state: oneOf(POD_STATES, "waiting"),
  waitingSince: time,
  endedAt: time,
  estimatedAt: time,
  etaSeconds: amountOrNull,
  etaRangeSeconds: RANGE,
  images: listOf(PENDING_IMAGE),
  moreImages: amount,
} satisfies Fields<Api["Pod"]>);

const NODE = v.object({
  nodeName: required,
  lastReportSeconds: amount,
  stale: flag,
  bytesPerSec: amount,
  pulling: amount,
  queued: amount,
  failing: amount,
  parallel: flag,
  trouble: text,
} satisfies Fields<Api["Node"]>);

const SNAPSHOT = v.object({ timestamp: time, synced: flag, pulls: v.array(v.unknown()), pods: v.fallback(v.array(v.unknown()), []) } satisfies Fields<Api["Snapshot"]>);
const CHANGE = v.object({ timestamp: time, type: text, pull: v.optional(v.unknown()), pod: v.optional(v.unknown()) });
const NODE_LIST = v.object({ nodes: v.array(v.unknown()) } satisfies Fields<Api["NodeList"]>);
const THRESHOLDS = v.object({ stalledSeconds: number, longSeconds: number, extrapolatedSeconds: number, retentionSeconds: number } satisfies Fields<Api["Thresholds"]>);

/** A pull and its raw layers, which `decodeLayers` checks for an opened row. */
export interface DecodedPull {
  readonly pull: Pull;
  readonly layers: unknown;
}

export interface Snapshot {
  readonly synced: boolean;
  readonly pulls: readonly DecodedPull[];
  readonly pods: readonly Pod[];
  /** The page's clock minus the server's. */
  readonly serverOffsetMs: number;
}

export type Change =
  | ({ readonly kind: "pull" } & DecodedPull)
  | { readonly kind: "pull-removed"; readonly id: string }
  | { readonly kind: "pod"; readonly pod: Pod }
  | { readonly kind: "pod-removed"; readonly id: string };

/** Return a stream's first message; null for any other text. */
export function decodeSnapshot(data: string, nowMs: number): Snapshot | null {
  const fields = parsed(SNAPSHOT, data);
  if (fields === null) return null;
  const offsetMs = offsetOf(fields.timestamp, nowMs);
  return {
    synced: fields.synced,
    pulls: valid(PULL, fields.pulls).map((pull) => pullOf(pull, nowMs, offsetMs)),
    pods: valid(POD, fields.pods).map((pod) => podOf(pod, nowMs, offsetMs)),
    serverOffsetMs: offsetMs,
  };
}

/** Return a later message; null for a text or a type that the page does not know. */
export function decodeChange(data: string, nowMs: number): Change | null {
  const fields = parsed(CHANGE, data);
  if (fields === null) return null;
  const offsetMs = offsetOf(fields.timestamp, nowMs);
  const [pull] = fields.type.startsWith("pull.") ? valid(PULL, [fields.pull]) : [];
  if (pull !== undefined) return fields.type === "pull.removed" ? { kind: "pull-removed", id: pull.id } : { kind: "pull", ...pullOf(pull, nowMs, offsetMs) };
  const [pod] = fields.type.startsWith("pod.") ? valid(POD, [fields.pod]) : [];
  if (pod === undefined) return null;
  return fields.type === "pod.removed" ? { kind: "pod-removed", id: podId(pod) } : { kind: "pod", pod: podOf(pod, nowMs, offsetMs) };
}

export function decodeLayers(layers: unknown): Layer[] {
  return v.parse(listOf(LAYER), layers);
}

/** Return the answer of `GET api/v1/nodes`; null for any other text. */
export function decodeNodes(data: string, nowMs: number): ClusterNode[] | null {
  const fields = parsed(NODE_LIST, data);
  if (fields === null) return null;
  return valid(NODE, fields.nodes).map(({ lastReportSeconds, trouble, ...node }) => ({ ...node, reportedAtMs: nowMs - lastReportSeconds * 1000, agentError: trouble }));
}

/** Return the answer of `GET api/v1/thresholds`; null for any other text. */
export function decodeThresholds(data: string): Thresholds | null {
  return parsed(THRESHOLDS, data);
}

function parsed<T>(schema: v.GenericSchema<unknown, T>, data: string): T | null {
  const result = v.safeParse(v.pipe(v.string(), v.parseJson(), schema), data);
  return result.success ? result.output : null;
}

/** A document has the time at which the server wrote it. */
function offsetOf(writtenAtMs: number | null, nowMs: number): number {
  return writtenAtMs === null ? 0 : nowMs - writtenAtMs;
}

function pullOf(fields: v.InferOutput<typeof PULL>, nowMs: number, offsetMs: number): DecodedPull {
  const { phase, etaRangeSeconds, startedAt, progressedAt, completedAt, error, layers, ...pull } = fields;
  const [soonest, latest] = etaRangeSeconds ?? [0, null];
  return {
    pull: {
      ...pull,
      // The page does not know a newer server's phase, only whether the pull has ended.
      phase: phase ?? (completedAt === null ? "resolving" : "unknown"),
      etaRangeSeconds: latest !== null && soonest <= latest ? [soonest, latest] : null,
      startedAtMs: startedAt,
      progressedAtMs: progressedAt,
      completedAtMs: completedAt,
      // Without a class of failure the agent's message is all.
      failure: failureOf(pull.failure ?? (error === "" ? null : { reason: "unknown", message: error, advice: "", tries: 0, retryAt: null }), offsetMs),
      receivedAtMs: nowMs,
    },
    layers,
  };
}

function podOf(fields: v.InferOutput<typeof POD>, nowMs: number, offsetMs: number): Pod {
  const { namespace, podName, nodeName, workload, state, waitingSince, endedAt, estimatedAt, images, moreImages } = fields;
  // An estimate counts from its own time, which may be earlier than the message's.
  const fromMs = estimatedAt === null ? nowMs : estimatedAt + offsetMs;
  return {
    id: podId(fields),
    ...{ namespace, podName, nodeName, state, moreImages },
    workload: workload ?? { namespace, kind: "Pod", name: podName },
    waitingSinceMs: waitingSince,
    endedAtMs: endedAt,
    estimate: estimateOf(fields, fromMs),
    images: images.map(
      ({ etaSeconds, etaRangeSeconds, ...image }): PendingImage => ({
        ...image,
        estimate: estimateOf({ etaSeconds, etaRangeSeconds }, fromMs),
        failure: failureOf(image.failure, offsetMs),
      }),
    ),
  };
}

function podId({ namespace, podName }: { namespace: string; podName: string }): string {
  return `${namespace}/${podName}`;
}

function estimateOf({ etaSeconds, etaRangeSeconds }: { etaSeconds: number | null; etaRangeSeconds: [number, number | null] | null }, fromMs: number): Estimate | null {
  if (etaSeconds === null) return null;
  const [soonest, latest] = etaRangeSeconds ?? [etaSeconds, etaSeconds];
  return {
    likelyAtMs: fromMs + etaSeconds * 1000,
    soonestAtMs: fromMs + Math.min(etaSeconds, soonest) * 1000,
    latestAtMs: latest === null ? null : fromMs + Math.max(etaSeconds, latest) * 1000,
  };
}

function failureOf(fields: v.InferOutput<typeof failure>, offsetMs: number): Failure | null {
  if (fields === null) return null;
  const { retryAt, ...rest } = fields;
  return { ...rest, retryAtMs: retryAt === null ? null : retryAt + offsetMs };
}
