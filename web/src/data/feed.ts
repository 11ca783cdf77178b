/*
 * All that is known of the cluster, kept once for all pages that a browser has open: the stream, the nodes (asked for
 * every few seconds), and what has been seen over time (rates, and when a pull changed its phase). A page that joins gets
 * everything, then what changed, gathered, a few times a second. A page that nobody looks at gets nothing but the
 * samples, and everything anew when it is looked at again; so nothing piles up and nothing is ever merged.
 *
 * It runs in a shared worker (worker.ts) or, where there is none, in the page.
 */
import { steadyNowMs } from "./clock";
import { fetchNodes } from "./nodes";
import { Sampler, type Sample } from "./samples";
import { openStream, type Connection, type StreamSeams } from "./stream";
import { withLayers, withoutLayers } from "./decode";
import { hasEnded, type ClusterNode, type Message, type Pod, type Pull, type ToldPull } from "../model/types";

const BATCH_MS = 250;
const NODES_MS = 5_000;

/** When a pull was seen to begin a phase, on the page's clock; null for what began before anybody looked. */
export interface SeenPhases {
  readonly downloadingAtMs: number | null;
  readonly unpackingAtMs: number | null;
  readonly endedAtMs: number | null;
}

export const NOT_SEEN: SeenPhases = { downloadingAtMs: null, unpackingAtMs: null, endedAtMs: null };

export interface SeenPull {
  readonly pull: Pull;
  readonly seen: SeenPhases;
}

/** What a page is told: the state of everything small, and the rows that changed. */
export interface Update {
  /** The rows replace all that there were. */
  readonly whole: boolean;
  readonly connection: Connection;
  /** When the server was last heard; null before. */
  readonly heardAtMs: number | null;
  /** False until the first snapshot. */
  readonly loaded: boolean;
  readonly synced: boolean;
  readonly podsKnown: boolean;
  readonly serverOffsetMs: number;
  readonly pulls: readonly SeenPull[];
  readonly removedPulls: readonly string[];
  readonly pods: readonly Pod[];
  readonly removedPods: readonly string[];
  /** Null while the server does not say; left out while they are as before, because thousands weigh more than all the rest. */
  readonly nodes?: readonly ClusterNode[] | null;
  /** New ones; in a whole update all. */
  readonly samples: readonly Sample[];
}

export interface FeedSeams extends StreamSeams {
  /** The body of the answer; null when there is none to be had. */
  readonly fetchText: (url: string) => Promise<string | null>;
}

export interface Viewer {
  setWatching(watching: boolean): void;
  /** The pulls whose layers are looked at. */
  setOpen(ids: readonly string[]): void;
  leave(): void;
}

const NO_ROWS = { whole: false, pulls: [], removedPulls: [], pods: [], removedPods: [], samples: [] } as const;

interface Member {
  readonly send: (update: Update) => void;
  watching: boolean;
  /** The pulls of which it wants the layers. */
  open: readonly string[];
}

export class Feed {
  private readonly members = new Set<Member>();
  private readonly pulls = new Map<string, SeenPull>();
  /** The same as they were told, with their layers. */
  private readonly told = new Map<string, ToldPull>();
  private readonly pods = new Map<string, Pod>();
  private readonly changed = { pulls: new Set<string>(), pods: new Set<string>() };
  private readonly sampler = new Sampler();
  private nodes: readonly ClusterNode[] | null = null;
  private nodesChanged = false;
  private connection: Connection = { kind: "connecting" };
  private heardAtMs: number | null = null;
  private loaded = false;
  private synced = false;
  private podsKnown = false;
  private serverOffsetMs = 0;
  private whole = false;
  private batch: ReturnType<typeof setTimeout> | undefined;
  private stop: (() => void) | null = null;

  constructor(
    private readonly base: string,
    private readonly seams: FeedSeams,
  ) {}

  join(send: (update: Update) => void): Viewer {
    const member: Member = { send, watching: true, open: [] };
    this.members.add(member);
    this.stop ??= this.start();
    send(this.everything());
    return {
      setWatching: (watching) => {
        if (watching && !member.watching) send(this.withOpened(this.everything(), member));
        member.watching = watching;
      },
      setOpen: (ids) => {
        const opened = ids.filter((id) => this.pulls.has(id) && !member.open.includes(id));
        member.open = ids;
        if (opened.length === 0 || !member.watching) return;
        const pulls = opened.map((id) => this.pulls.get(id)).filter((pull) => pull !== undefined);
        send(this.withOpened({ ...this.small(), ...NO_ROWS, pulls }, member));
      },
      leave: () => {
        this.members.delete(member);
        if (this.members.size > 0) return;
        this.stop?.();
        this.stop = null;
      },
    };
  }

  private start(): () => void {
    const close = openStream(
      {
        onMessage: (message) => {
          this.take(message);
          this.tellSoon();
        },
        onConnection: (connection) => {
          this.connection = connection;
          // The state of the connection and the rows that it is about change together.
          this.tell();
        },
      },
      this.base,
      this.seams,
    );
    let asking = false;
    const look = async () => {
      if (asking) return;
      asking = true;
      const nodes = await fetchNodes(this.base, this.seams);
      asking = false;
      if (nodes !== undefined && this.stop !== null) {
        this.nodes = nodes;
        this.nodesChanged = true;
        this.tellSoon();
      }
    };
    const tick = () => {
      if (this.loaded) this.tellSample();
      if ([...this.members].some((member) => member.watching)) void look();
    };
    void look();
    const timer = setInterval(tick, NODES_MS);
    return () => {
      clearInterval(timer);
      clearTimeout(this.batch);
      this.batch = undefined;
      close();
    };
  }

  private take(message: Message): void {
    const nowMs = steadyNowMs();
    this.heardAtMs = nowMs;
    switch (message.kind) {
      case "snapshot": {
        const before = new Map(this.pulls);
        this.pulls.clear();
        this.told.clear();
        this.pods.clear();
        for (const pull of message.pulls) this.keep(pull, before.get(pull.id), nowMs, !this.loaded);
        for (const pod of message.pods ?? []) this.pods.set(pod.id, pod);
        this.loaded = true;
        this.synced = message.synced;
        this.podsKnown = message.pods !== null;
        this.serverOffsetMs = message.serverOffsetMs;
        this.whole = true;
        break;
      }
      case "pull":
        this.keep(message.pull, this.pulls.get(message.pull.id), nowMs, false);
        this.changed.pulls.add(message.pull.id);
        break;
      case "pull-removed":
        this.pulls.delete(message.id);
        this.told.delete(message.id);
        this.changed.pulls.add(message.id);
        break;
      case "pod":
        this.pods.set(message.pod.id, message.pod);
        this.changed.pods.add(message.pod.id);
        break;
      case "pod-removed":
        this.pods.delete(message.id);
        this.changed.pods.add(message.id);
        break;
    }
  }

  private keep(told: ToldPull, before: SeenPull | undefined, nowMs: number, first: boolean): void {
    this.told.set(told.id, told);
    this.pulls.set(told.id, seenNow(before, withoutLayers(told), nowMs, first));
  }

  private withOpened(update: Update, { open }: Member): Update {
    if (open.length === 0) return update;
    return {
      ...update,
      pulls: update.pulls.map((each) => {
        const told = open.includes(each.pull.id) ? this.told.get(each.pull.id) : undefined;
        return told === undefined ? each : { ...each, pull: withLayers(told) };
      }),
    };
  }

  private tellSoon(): void {
    this.batch ??= setTimeout(() => this.tell(), BATCH_MS);
  }

  private tell(): void {
    clearTimeout(this.batch);
    this.batch = undefined;
    const update = this.whole ? this.everything() : this.changes();
    this.whole = false;
    this.nodesChanged = false;
    this.changed.pulls.clear();
    this.changed.pods.clear();
    for (const member of this.members) if (member.watching) member.send(this.withOpened(update, member));
    // The first sample is not waited for.
    if (this.loaded && this.sampler.samples.length === 0) this.tellSample();
  }

  /** Also to pages that nobody looks at: their titles and plots go on. */
  private tellSample(): void {
    const sample = this.sampler.take(this.pulls.values(), this.pods.values(), this.podsKnown, steadyNowMs());
    const update = { ...this.small(), ...NO_ROWS, samples: [sample] };
    for (const member of this.members) member.send(update);
  }

  private small() {
    const { connection, heardAtMs, loaded, synced, serverOffsetMs } = this;
    // A server that tells of none may still say for which pods the pulls are.
    const podsKnown = this.podsKnown && this.pods.size > 0;
    return { connection, heardAtMs, loaded, synced, podsKnown, serverOffsetMs };
  }

  private everything(): Update {
    return {
      ...this.small(),
      nodes: this.nodes,
      whole: true,
      pulls: [...this.pulls.values()],
      removedPulls: [],
      pods: [...this.pods.values()],
      removedPods: [],
      samples: this.sampler.samples,
    };
  }

  private changes(): Update {
    const found = <T>(ids: Set<string>, rows: Map<string, T>) => [...ids].map((id) => rows.get(id)).filter((row) => row !== undefined);
    const gone = (ids: Set<string>, rows: Map<string, unknown>) => [...ids].filter((id) => !rows.has(id));
    return {
      ...this.small(),
      ...(this.nodesChanged ? { nodes: this.nodes } : {}),
      whole: false,
      pulls: found(this.changed.pulls, this.pulls),
      removedPulls: gone(this.changed.pulls, this.pulls),
      pods: found(this.changed.pods, this.pods),
      removedPods: gone(this.changed.pods, this.pods),
      samples: [],
    };
  }
}

/** `first`: nobody has looked before, so when the phase began is not known. */
function seenNow(before: SeenPull | undefined, pull: Pull, nowMs: number, first: boolean): SeenPull {
  if (before === undefined) {
    if (first || hasEnded(pull.phase)) return { pull, seen: NOT_SEEN };
    return { pull, seen: { ...NOT_SEEN, downloadingAtMs: pull.phase === "downloading" ? nowMs : null } };
  }
  if (before.pull.phase === pull.phase) return { pull, seen: before.seen };
  return {
    pull,
    seen: {
      downloadingAtMs: pull.phase === "downloading" ? nowMs : before.seen.downloadingAtMs,
      unpackingAtMs: pull.phase === "unpacking" ? nowMs : before.seen.unpackingAtMs,
      endedAtMs: hasEnded(pull.phase) ? nowMs : null,
    },
  };
}
