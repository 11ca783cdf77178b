// Pulls and pods as the server sends them, and the stream that carries them, for tests to drive by hand.
import { steadyNowMs } from "../data/clock";
import type { FeedSeams } from "../data/feed";
import { parseSnapshot } from "../data/decode";
import type { Pod, Pull } from "../model/types";
import { nextRow, type Row } from "../model/cluster";

export const MIB = 1024 * 1024;

type Fields = Record<string, unknown>;

/** One pull in the words of the wire; what a test says replaces the rest. */
export function wirePull(fields: Fields = {}): Fields {
  return {
    id: "0123456789ab",
    nodeName: "worker-1",
    imageRef: "docker.io/library/nginx:1.27",
    nameKnown: true,
    imageCandidates: [],
    phase: "downloading",
    stale: false,
    totalKnown: true,
    totalBytes: 1000 * MIB,
    downloadedBytes: 400 * MIB,
    cachedBytes: 0,
    lazyBytes: 0,
    unpackedBytes: 0,
    bytesPerSec: 10 * MIB,
    etaSeconds: 60,
    layerCount: 2,
    layersDone: 0,
    startedAt: "2026-11-23T15:04:05.000Z",
    progressedAt: "2026-11-23T15:04:15.000Z",
    pods: [],
    layers: [],
    ...fields,
  };
}

/** A pod that waits for that pull. */
export function wirePod(fields: Fields = {}): Fields {
  return {
    namespace: "shop",
    podName: "web-7d9",
    uid: "u-1",
    nodeName: "worker-1",
    workload: { namespace: "shop", kind: "Deployment", name: "web" },
    state: "waiting",
    waitingSince: "2026-11-23T15:04:00.000Z",
    etaSeconds: 60,
    images: [wireNeed()],
    ...fields,
  };
}

export function wireNeed(fields: Fields = {}): Fields {
  return { container: "web", role: "main", image: "nginx:1.27", state: "pulling", pullId: "0123456789ab", behind: [], etaSeconds: 60, ...fields };
}

function snapshotOf(pulls: readonly unknown[], pods: readonly unknown[] | undefined, nowMs: number) {
  const message = parseSnapshot(JSON.stringify({ synced: true, pulls, pods }), nowMs);
  if (message?.kind !== "snapshot") throw new Error("not a snapshot");
  return message;
}

/** The same, as the page knows it; heard at `nowMs`. */
export function aPull(fields: Fields = {}, nowMs = 0): Pull {
  const [pull] = snapshotOf([wirePull(fields)], undefined, nowMs).pulls;
  if (pull === undefined) throw new Error("not a pull");
  return pull;
}

export function aPod(fields: Fields = {}, nowMs = 0): Pod {
  const [pod] = snapshotOf([], [wirePod(fields)], nowMs).pods ?? [];
  if (pod === undefined) throw new Error("not a pod");
  return pod;
}

/** Stands for the browser's EventSource: the test plays the server. */
export class FakeEventSource extends EventTarget {
  onmessage: ((event: MessageEvent<string>) => void) | null = null;
  onerror: (() => void) | null = null;
  readyState = 0;

  constructor(readonly url: string) {
    super();
  }

  /** `pods`: undefined for a server that knows none. */
  sendSnapshot(pulls: readonly unknown[], { pods, synced = true }: { pods?: readonly unknown[]; synced?: boolean } = {}) {
    this.readyState = 1;
    const timestamp = new Date(steadyNowMs()).toISOString();
    const data = JSON.stringify({ schemaVersion: "v1", timestamp, type: "snapshot", synced, pulls, pods });
    this.dispatchEvent(new MessageEvent("snapshot", { data }));
  }

  send(type: string, pull: unknown) {
    this.sendText(JSON.stringify({ schemaVersion: "v1", type, pull }));
  }

  sendPod(type: string, pod: unknown) {
    this.sendText(JSON.stringify({ schemaVersion: "v1", type, pod }));
  }

  sendText(data: string) {
    this.onmessage?.(new MessageEvent("message", { data }));
  }

  /** The connection broke; the browser tries again by itself. */
  breakOff() {
    this.readyState = 0;
    this.onerror?.();
  }

  /** The server (or a proxy) answered with an error; the browser gives up. */
  refuse() {
    this.readyState = 2;
    this.onerror?.();
  }

  close() {
    this.readyState = 2;
  }
}

/** Seams with every connection that was opened, the newest last. */
export class FakeServer implements FeedSeams {
  readonly connections: FakeEventSource[] = [];
  /** What `api/v1/nodes` answers; null while it does not. */
  nodes: readonly Fields[] | null = null;

  connect = (url: string): EventSource => {
    const source = new FakeEventSource(url);
    this.connections.push(source);
    return source as unknown as EventSource;
  };
  random = () => 1;
  fetchText = (): Promise<string | null> => Promise.resolve(this.nodes === null ? null : JSON.stringify({ nodes: this.nodes }));

  get connection(): FakeEventSource {
    const newest = this.connections.at(-1);
    if (newest === undefined) throw new Error("nobody has connected");
    return newest;
  }
}

/** A row as it is when its pull has just been heard of. */
export function aRow(fields: Fields = {}, row: Partial<Row> = {}): Row {
  return { ...nextRow(undefined, aPull(fields, row.heardAtMs ?? 0)), ...row };
}

export function rowsOf(...rows: readonly Row[]): Map<string, Row> {
  return new Map(rows.map((row) => [row.pull.id, row]));
}
