/*
 * From the text of a server-sent event to checked values. Nothing past this module sees a raw value: a field that
 * is missing or of the wrong kind gets its neutral value, a message that makes no sense is dropped, and no text
 * keeps characters that cannot be seen. Fields that are not known are ignored.
 */
import { visibleText } from "./text";
import type { Layer, LayerState, Message, Phase, Pull, WaitingContainer } from "./types";
import { LAYER_STATES, PHASES } from "./types";

type Fields = Readonly<Record<string, unknown>>;

const ERROR_LENGTH = 2000;
const LONGEST_LIST = 1000;

export function parseSnapshot(data: string): Message | null {
  const fields = fieldsOf(data);
  if (fields === null || !Array.isArray(fields.pulls)) return null;
  const pulls = (fields.pulls as unknown[]).map(pullOf).filter((pull) => pull !== null);
  return { kind: "snapshot", synced: fields.synced === true, pulls };
}

export function parseChange(data: string): Message | null {
  const fields = fieldsOf(data);
  // Changes of a single layer carry a pull without its layers; the page does not ask for them.
  if (fields === null || !text(fields.type).startsWith("pull.")) return null;
  const pull = pullOf(fields.pull);
  if (pull === null) return null;
  return fields.type === "pull.removed" ? { kind: "removed", id: pull.id } : { kind: "upsert", pull };
}

function fieldsOf(data: string): Fields | null {
  try {
    return record(JSON.parse(data));
  } catch {
    return null;
  }
}

function pullOf(value: unknown): Pull | null {
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
    etaSeconds: typeof fields.etaSeconds === "number" ? amount(fields.etaSeconds) : null,
    etaRangeSeconds: rangeOf(fields.etaRangeSeconds),
    layerCount: amount(fields.layerCount),
    layersDone: amount(fields.layersDone),
    startedAtMs: time(fields.startedAt),
    progressedAtMs: time(fields.progressedAt),
    completedAtMs,
    error: text(fields.error, ERROR_LENGTH),
    digest: text(fields.digest),
    pods: list(fields.pods).flatMap(podOf),
    layers: list(fields.layers).flatMap(layerOf),
  };
}

function rangeOf(value: unknown): readonly [number, number] | null {
  const [soonest, latest] = list(value).map(amount);
  return soonest !== undefined && latest !== undefined && soonest <= latest ? [soonest, latest] : null;
}

function podOf(value: unknown): WaitingContainer[] {
  const fields = record(value);
  if (fields === null) return [];
  return [
    {
      namespace: text(fields.namespace),
      podName: text(fields.podName),
      container: text(fields.container),
      image: text(fields.image),
    },
  ];
}

function layerOf(value: unknown): Layer[] {
  const fields = record(value);
  if (fields === null) return [];
  return [
    {
      digest: text(fields.digest),
      state: isLayerState(fields.state) ? fields.state : "queued",
      totalKnown: fields.totalKnown === true,
      totalBytes: amount(fields.totalBytes),
      downloadedBytes: amount(fields.downloadedBytes),
    },
  ];
}

/** A phase that a newer server may know: nobody here can say what it means, only whether the pull has ended. */
function phaseOf(value: unknown, ended: boolean): Phase {
  if (PHASES.includes(value as Phase)) return value as Phase;
  return ended ? "unknown" : "resolving";
}

function isLayerState(value: unknown): value is LayerState {
  return LAYER_STATES.includes(value as LayerState);
}

function record(value: unknown): Fields | null {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : null;
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? (value as unknown[]).slice(0, LONGEST_LIST) : [];
}

function text(value: unknown, longest?: number): string {
  return typeof value === "string" ? visibleText(value, longest) : "";
}

function amount(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) && value > 0 ? value : 0;
}

function time(value: unknown): number | null {
  const milliseconds = typeof value === "string" ? Date.parse(value) : Number.NaN;
  return Number.isNaN(milliseconds) ? null : milliseconds;
}
