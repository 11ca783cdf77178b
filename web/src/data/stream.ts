/*
 * The one connection to /api/v1/events, open for as long as the page is.
 *
 * The browser's EventSource reconnects after a broken connection. It gives up after an error response, and it does not
 * notice a connection whose other end is gone. So the stream opens a new connection
 * - after a growing, jittered delay if the browser gave up or no snapshot came in time;
 * - without a word after a long silence: a quiet cluster and a dead connection do not differ.
 * Every new EventSource starts with a snapshot, so rows of two replicas are never merged. The browser's own reconnect to
 * the same replica continues with an event named `resumed`, and the missed changes follow it.
 */
import type { Connection } from "../model/types";
import { steadyNowMs } from "./clock";
import { decodeChange, decodeSnapshot, type Change, type Snapshot } from "./decode";

/** Relative to the page, below any path prefix. */
const EVENTS_PATH = "api/v1/events?pods=true";

const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 15_000;
const SNAPSHOT_TIMEOUT_MS = 10_000;
/** The browser's own retry first waits as long as the server asked for. */
const BROWSER_RETRY_TIMEOUT_MS = 30_000;
const MAX_SILENCE_MS = 60_000;
/** The server ends a connection after about 30 min; an earlier renewal leaves no gap. */
const RENEW_AFTER_MS = 20 * 60_000;

export interface StreamListener {
  onSnapshot(snapshot: Snapshot): void;
  onChange(change: Change): void;
  onConnection(connection: Connection): void;
}

export interface StreamSeams {
  readonly connect: (url: string) => EventSource;
  /** From 0 to 1. */
  readonly random: () => number;
}

/** Return the delay before the n-th attempt (from 0): it doubles up to a limit, and half of it is random. */
export function retryDelayMs(attempt: number, random: number): number {
  const longest = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** attempt);
  return longest * (0.5 + random / 2);
}

/** Listen until the returned function is called. `base`: the address of the page. */
export function openStream(listener: StreamListener, base: string, seams: StreamSeams): () => void {
  let source: EventSource | null = null;
  let connection: Connection = { kind: "connecting" };
  let attempts = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function after(milliseconds: number, action: () => void) {
    clearTimeout(timer);
    timer = setTimeout(action, milliseconds);
  }

  function become(next: Connection) {
    // "Lost" keeps its start over all attempts.
    if (next.kind === connection.kind) return;
    connection = next;
    listener.onConnection(next);
  }

  function connect() {
    source?.close();
    const opened = seams.connect(new URL(EVENTS_PATH, base).href);
    source = opened;
    const renewAtMs = steadyNowMs() + RENEW_AFTER_MS * (1 + seams.random() / 4);
    let hasSnapshot = false;
    after(SNAPSHOT_TIMEOUT_MS, retryLater);

    function becomeLive() {
      attempts = 0;
      become({ kind: "live" });
      after(MAX_SILENCE_MS, connect);
    }

    opened.addEventListener("snapshot", (event: MessageEvent<string>) => {
      if (source !== opened) return;
      const snapshot = decodeSnapshot(event.data, steadyNowMs());
      if (snapshot === null) return;
      hasSnapshot = true;
      listener.onSnapshot(snapshot);
      becomeLive();
    });
    opened.addEventListener("resumed", () => {
      if (source === opened && hasSnapshot) becomeLive();
    });
    opened.onmessage = (event: MessageEvent<string>) => {
      if (source !== opened || !hasSnapshot) return;
      const change = decodeChange(event.data, steadyNowMs());
      if (change !== null) listener.onChange(change);
      if (steadyNowMs() >= renewAtMs) connect();
      else after(MAX_SILENCE_MS, connect);
    };
    opened.onerror = () => {
      if (source !== opened) return;
      if (opened.readyState === EventSource.CLOSED) {
        retryLater();
      } else {
        become({ kind: "lost", sinceMs: steadyNowMs() });
        after(BROWSER_RETRY_TIMEOUT_MS, retryLater);
      }
    };
  }

  function retryLater() {
    source?.close();
    source = null;
    become({ kind: "lost", sinceMs: steadyNowMs() });
    after(retryDelayMs(attempts, seams.random()), connect);
    attempts += 1;
  }

  connect();
  return () => {
    clearTimeout(timer);
    source?.close();
    source = null;
  };
}
