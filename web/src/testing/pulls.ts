// Pulls as the server sends them, and the stream that carries them, for tests to drive by hand.
import { parseSnapshot } from "../api/parse";
import type { StreamSeams } from "../api/stream";
import type { Pull } from "../api/types";

export const MIB = 1024 * 1024;

/** One pull in the words of the wire; what a test says replaces the rest. */
export function wirePull(fields: Record<string, unknown> = {}): Record<string, unknown> {
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

/** The same, as the page knows it. */
export function aPull(fields: Record<string, unknown> = {}): Pull {
  const message = parseSnapshot(JSON.stringify({ synced: true, pulls: [wirePull(fields)] }));
  const pull = message?.kind === "snapshot" ? message.pulls[0] : undefined;
  if (pull === undefined) throw new Error("not a pull");
  return pull;
}

/** Stands for the browser's EventSource: the test plays the server. */
export class FakeEventSource extends EventTarget {
  onmessage: ((event: MessageEvent<string>) => void) | null = null;
  onerror: (() => void) | null = null;
  readyState = 0;

  constructor(readonly url: string) {
    super();
  }

  sendSnapshot(pulls: readonly unknown[], synced = true) {
    this.readyState = 1;
    const data = JSON.stringify({ schemaVersion: "v1", type: "snapshot", synced, pulls });
    this.dispatchEvent(new MessageEvent("snapshot", { data }));
  }

  send(type: string, pull: unknown) {
    this.sendText(JSON.stringify({ schemaVersion: "v1", type, pull }));
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
export class FakeServer implements StreamSeams {
  readonly connections: FakeEventSource[] = [];

  connect = (url: string): EventSource => {
    const source = new FakeEventSource(url);
    this.connections.push(source);
    return source as unknown as EventSource;
  };
  random = () => 1;
  nowMs = () => performance.now();

  get connection(): FakeEventSource {
    const newest = this.connections.at(-1);
    if (newest === undefined) throw new Error("nobody has connected");
    return newest;
  }
}
