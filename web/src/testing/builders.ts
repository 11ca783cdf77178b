// Rows in the form of the API, and a server that a test drives.
import { steadyNowMs } from "../data/clock";
import type { FeedSeams } from "../data/feed";
import { decodeSnapshot } from "../data/decode";
import { nextRow, type Row } from "../model/row";
import type { Pod, Pull, Thresholds } from "../model/types";

export const MIB = 1024 * 1024;

type Fields = Record<string, unknown>;

/** A pull as JSON; `fields` replace the defaults. */
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

/** A pod that waits for that pull, as JSON. */
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
    images: [wireImage()],
    ...fields,
  };
}

export function wireImage(fields: Fields = {}): Fields {
  return { container: "web", role: "main", image: "nginx:1.27", state: "pulling", pullId: "0123456789ab", behind: [], etaSeconds: 60, ...fields };
}

/** Limits as a server has them. */
export const THRESHOLDS: Thresholds = { stalledSeconds: 10, longSeconds: 900, extrapolatedSeconds: 20, retentionSeconds: 1800 };

function decoded(pulls: readonly unknown[], pods: readonly unknown[], nowMs: number) {
  const snapshot = decodeSnapshot(JSON.stringify({ synced: true, pulls, pods }), nowMs);
  if (snapshot === null) throw new Error("not a snapshot");
  return snapshot;
}

/** The same pull as the page has it, received at `nowMs`. */
export function aPull(fields: Fields = {}, nowMs = 0): Pull {
  const [decodedPull] = decoded([wirePull(fields)], [], nowMs).pulls;
  if (decodedPull === undefined) throw new Error("not a pull");
  return decodedPull.pull;
}

export function aPod(fields: Fields = {}, nowMs = 0): Pod {
  const [pod] = decoded([], [wirePod(fields)], nowMs).pods;
  if (pod === undefined) throw new Error("not a pod");
  return pod;
}

/** In place of the browser's EventSource. */
export class FakeEventSource extends EventTarget {
  onmessage: ((event: MessageEvent<string>) => void) | null = null;
  onerror: (() => void) | null = null;
  readyState = 0;

  constructor(readonly url: string) {
    super();
  }

  sendSnapshot(pulls: readonly unknown[], { pods = [], synced = true }: { pods?: readonly unknown[]; synced?: boolean } = {}) {
    this.readyState = 1;
    const timestamp = new Date(steadyNowMs()).toISOString();
    const data = JSON.stringify({ schemaVersion: "v1", timestamp, type: "snapshot", synced, pulls, pods });
    this.dispatchEvent(new MessageEvent("snapshot", { data }));
  }

  /** The browser has reconnected to the same replica, which sends the missed changes next. */
  sendResumed() {
    this.readyState = 1;
    const data = JSON.stringify({ schemaVersion: "v1", timestamp: new Date(steadyNowMs()).toISOString(), type: "resumed", synced: true });
    this.dispatchEvent(new MessageEvent("resumed", { data }));
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

  /** The connection broke, and the browser retries. */
  breakOff() {
    this.readyState = 0;
    this.onerror?.();
  }

  /** The server (or a proxy) sent an error response, and the browser gives up. */
  refuse() {
    this.readyState = 2;
    this.onerror?.();
  }

  close() {
    this.readyState = 2;
  }
}

/** The seams of a feed, with every connection, the newest last. */
export class FakeServer implements FeedSeams {
  readonly connections: FakeEventSource[] = [];
  /** The answer of `api/v1/nodes`; null for none. */
  nodes: readonly Fields[] | null = null;

  connect = (url: string): EventSource => {
    const source = new FakeEventSource(url);
    this.connections.push(source);
    return source as unknown as EventSource;
  };
  random = () => 1;
  fetchText = (url: string): Promise<string | null> => {
    if (url.endsWith("/api/v1/thresholds")) return Promise.resolve(JSON.stringify(THRESHOLDS));
    return Promise.resolve(this.nodes === null ? null : JSON.stringify({ nodes: this.nodes }));
  };

  get connection(): FakeEventSource {
    const newest = this.connections.at(-1);
    if (newest === undefined) throw new Error("no connection");
    return newest;
  }
}

/** The row of a new pull. */
export function aRow(fields: Fields = {}, row: Partial<Row> = {}): Row {
  return { ...nextRow(undefined, aPull(fields, row.reportedAtMs ?? 0), true, THRESHOLDS), ...row };
}

export function rowsOf(...rows: readonly Row[]): Map<string, Row> {
  return new Map(rows.map((row) => [row.pull.id, row]));
}
