/*
 * The rows of the cluster, kept once for all pages of a browser: the stream, the nodes (polled), and the history of rates
 * and phases. A new subscriber gets a whole update, then batches of changes. An inactive subscriber gets only samples, and
 * a whole update when it is active again; so no changes pile up.
 *
 * The feed runs in a shared worker (worker.ts), or in the page if the browser has none.
 */
import { MAX_SAMPLES, type Update } from "../model/cluster";
import { nextRow, type Row } from "../model/row";
import { sampleOf, type Sample } from "../model/samples";
import { NO_THRESHOLDS, type ClusterNode, type Connection, type Pod, type Thresholds } from "../model/types";
import { steadyNowMs } from "./clock";
import { decodeLayers, decodeNodes, decodeThresholds, type Change, type DecodedPull, type Snapshot } from "./decode";
import { openStream, type StreamSeams } from "./stream";

const BATCH_MS = 250;
const POLL_MS = 5_000;
const REQUEST_TIMEOUT_MS = 10_000;

export interface FeedSeams extends StreamSeams {
  /** Return the body of a response; null without a good one. */
  readonly fetchText: (url: string) => Promise<string | null>;
}

export const BROWSER: FeedSeams = {
  connect: (url) => new EventSource(url),
  random: () => Math.random(),
  fetchText: async (url) => {
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) });
      return response.ok ? await response.text() : null;
    } catch {
      return null;
    }
  },
};

export interface Subscription {
  setActive(active: boolean): void;
  /** The pulls whose layers the page shows. */
  setOpen(ids: readonly string[]): void;
  close(): void;
}

interface Subscriber {
  readonly send: (update: Update) => void;
  active: boolean;
  open: readonly string[];
}

const NO_CHANGES = { whole: false, rows: [], removedRows: [], pods: [], removedPods: [], samples: [] } as const;

export class Feed {
  private readonly subscribers = new Set<Subscriber>();
  private readonly rows = new Map<string, Row>();
  /** Unchecked, by the row's id. */
  private readonly layers = new Map<string, unknown>();
  private readonly pods = new Map<string, Pod>();
  private readonly changed = { rows: new Set<string>(), pods: new Set<string>(), nodes: false, all: false };
  private samples: readonly Sample[] = [];
  private nodes: readonly ClusterNode[] | null = null;
  private thresholds: Thresholds = NO_THRESHOLDS;
  private connection: Connection = { kind: "connecting" };
  private receivedAtMs: number | null = null;
  private loaded = false;
  private synced = false;
  private serverOffsetMs = 0;
  private batch: ReturnType<typeof setTimeout> | undefined;
  private stop: (() => void) | null = null;

  /** `base`: the address of the page; the API is beside it. */
  constructor(
    private readonly base: string,
    private readonly seams: FeedSeams,
  ) {}

  subscribe(send: (update: Update) => void): Subscription {
    const subscriber: Subscriber = { send, active: true, open: [] };
    this.subscribers.add(subscriber);
    this.stop ??= this.start();
    send(this.everything());
    return {
      setActive: (active) => {
        if (active && !subscriber.active) send(this.withLayers(this.everything(), subscriber));
        subscriber.active = active;
      },
      setOpen: (ids) => {
        const rows = ids.filter((id) => !subscriber.open.includes(id)).flatMap((id) => this.rows.get(id) ?? []);
        subscriber.open = ids;
        if (rows.length > 0 && subscriber.active) send(this.withLayers({ ...this.status(), ...NO_CHANGES, rows }, subscriber));
      },
      close: () => {
        this.subscribers.delete(subscriber);
        if (this.subscribers.size > 0) return;
        this.stop?.();
        this.stop = null;
      },
    };
  }

  private start(): () => void {
    const close = openStream(
      {
        onSnapshot: (snapshot) => {
          this.replace(snapshot);
          this.publishSoon();
          void this.readThresholds();
        },
        onChange: (change) => {
          this.apply(change);
          this.publishSoon();
        },
        onConnection: (connection) => {
          this.connection = connection;
          // The state of the connection and its rows change together.
          this.publish();
        },
      },
      this.base,
      this.seams,
    );
    let polling = false;
    const poll = async () => {
      if (polling) return;
      polling = true;
      const body = await this.get("api/v1/nodes");
      polling = false;
      const nodes = body === null ? null : decodeNodes(body, steadyNowMs());
      if (nodes === null || this.stop === null) return;
      this.nodes = nodes;
      this.changed.nodes = true;
      this.publishSoon();
    };
    void poll();
    const timer = setInterval(() => {
      if (this.loaded) this.publishSample();
      if ([...this.subscribers].some((subscriber) => subscriber.active)) void poll();
    }, POLL_MS);
    return () => {
      clearInterval(timer);
      clearTimeout(this.batch);
      this.batch = undefined;
      close();
    };
  }

  private get(path: string): Promise<string | null> {
    return this.seams.fetchText(new URL(path, this.base).href);
  }

  /** A server's thresholds are constant; another server may have others. */
  private async readThresholds(): Promise<void> {
    const body = await this.get("api/v1/thresholds");
    this.thresholds = (body === null ? null : decodeThresholds(body)) ?? this.thresholds;
    this.publishSoon();
  }

  private replace(snapshot: Snapshot): void {
    const before = new Map(this.rows);
    this.rows.clear();
    this.layers.clear();
    this.pods.clear();
    for (const pull of snapshot.pulls) this.keep(pull, before.get(pull.pull.id), !this.loaded);
    for (const pod of snapshot.pods) this.pods.set(pod.id, pod);
    this.receivedAtMs = steadyNowMs();
    this.loaded = true;
    this.synced = snapshot.synced;
    this.serverOffsetMs = snapshot.serverOffsetMs;
    this.changed.all = true;
  }

  private apply(change: Change): void {
    this.receivedAtMs = steadyNowMs();
    switch (change.kind) {
      case "pull":
        this.keep(change, this.rows.get(change.pull.id), false);
        this.changed.rows.add(change.pull.id);
        break;
      case "pull-removed":
        this.rows.delete(change.id);
        this.layers.delete(change.id);
        this.changed.rows.add(change.id);
        break;
      case "pod":
        this.pods.set(change.pod.id, change.pod);
        this.changed.pods.add(change.pod.id);
        break;
      case "pod-removed":
        this.pods.delete(change.id);
        this.changed.pods.add(change.id);
        break;
    }
  }

  private keep({ pull, layers }: DecodedPull, before: Row | undefined, first: boolean): void {
    this.rows.set(pull.id, nextRow(before, pull, first, this.thresholds));
    this.layers.set(pull.id, layers);
  }

  private withLayers(update: Update, { open }: Subscriber): Update {
    if (open.length === 0) return update;
    const rows = update.rows.map((row) => (open.includes(row.pull.id) ? { ...row, layers: decodeLayers(this.layers.get(row.pull.id)) } : row));
    return { ...update, rows };
  }

  private publishSoon(): void {
    this.batch ??= setTimeout(() => this.publish(), BATCH_MS);
  }

  private publish(): void {
    clearTimeout(this.batch);
    this.batch = undefined;
    const update = this.changed.all ? this.everything() : this.changes();
    this.changed.all = false;
    this.changed.nodes = false;
    this.changed.rows.clear();
    this.changed.pods.clear();
    for (const subscriber of this.subscribers) if (subscriber.active) subscriber.send(this.withLayers(update, subscriber));
    // The first sample does not wait for the timer.
    if (this.loaded && this.samples.length === 0) this.publishSample();
  }

  /** Inactive pages get samples too: their titles and plots go on. */
  private publishSample(): void {
    const sample = sampleOf(this.rows.values(), this.pods.values(), steadyNowMs());
    this.samples = [...this.samples, sample].slice(-MAX_SAMPLES);
    const update = { ...this.status(), ...NO_CHANGES, samples: [sample] };
    for (const subscriber of this.subscribers) subscriber.send(update);
  }

  private status() {
    const { connection, receivedAtMs, loaded, synced, serverOffsetMs, thresholds } = this;
    return { connection, receivedAtMs, loaded, synced, serverOffsetMs, thresholds };
  }

  private everything(): Update {
    return {
      ...this.status(),
      ...NO_CHANGES,
      whole: true,
      rows: [...this.rows.values()],
      pods: [...this.pods.values()],
      nodes: this.nodes,
      samples: this.samples,
    };
  }

  private changes(): Update {
    const { rows, pods, nodes } = this.changed;
    return {
      ...this.status(),
      ...NO_CHANGES,
      ...(nodes ? { nodes: this.nodes } : {}),
      rows: [...rows].flatMap((id) => this.rows.get(id) ?? []),
      removedRows: [...rows].filter((id) => !this.rows.has(id)),
      pods: [...pods].flatMap((id) => this.pods.get(id) ?? []),
      removedPods: [...pods].filter((id) => !this.pods.has(id)),
    };
  }
}
