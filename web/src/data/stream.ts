/*
 * The one connection to /api/v1/events, kept for as long as the page is open.
 *
 * The browser's EventSource reconnects by itself after a broken connection, but gives up for good when a proxy
 * answers with an error; and neither it nor anyone else notices a connection whose other end is silently gone. So:
 * when it gives up, it is replaced after a growing, jittered pause; when the first snapshot does not come in time,
 * it is replaced too; and after a long silence it is replaced quietly, because a quiet cluster and a dead
 * connection look the same from here. Every new connection begins with a snapshot, so nothing is ever merged.
 *
 * While replicas are being updated one of them may be older than the page and refuse `pods`. A page that was refused asks
 * without, and looks again soon.
 */
import { steadyNowMs } from "./clock";
import { parseChange, parseSnapshot } from "./decode";
import type { Message } from "../model/types";

/** Beside the page, whatever prefix it is under. */
const EVENTS_PATH = "api/v1/events";

const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 15_000;
const SNAPSHOT_WAIT_MS = 10_000;
/** The browser's own reconnecting first waits as long as the server asked it to. */
const BROWSER_RETRY_WAIT_MS = 30_000;
const LONGEST_SILENCE_MS = 60_000;
/** The server ends a connection after about 30 min; one that is renewed before is not missed for a moment. */
const RENEW_AFTER_MS = 20 * 60_000;
const RENEW_WITHOUT_PODS_AFTER_MS = 60_000;

export type Connection =
  | { readonly kind: "connecting" }
  | { readonly kind: "live" }
  | { readonly kind: "lost"; readonly sinceMs: number };

export interface StreamListener {
  onMessage(message: Message): void;
  onConnection(connection: Connection): void;
}

export interface StreamSeams {
  connect(url: string): EventSource;
  /** From 0 to 1. */
  random(): number;
}

export const BROWSER_STREAM: StreamSeams = {
  connect: (url) => new EventSource(url),
  random: () => Math.random(),
};

/** How long to wait before the n-th attempt (from 0): doubles up to a limit, half of it random. */
export function retryDelayMs(attempt: number, random: number): number {
  const longest = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** attempt);
  return longest * (0.5 + random / 2);
}

/** Listens until the returned function is called. `base` is the address of the page. */
export function openStream(listener: StreamListener, base: string, seams: StreamSeams = BROWSER_STREAM): () => void {
  let source: EventSource | null = null;
  let connection: Connection = { kind: "connecting" };
  let attempts = 0;
  let withPods = true;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function after(milliseconds: number, action: () => void) {
    clearTimeout(timer);
    timer = setTimeout(action, milliseconds);
  }

  function become(next: Connection) {
    // "Lost" keeps the moment at which it began, over all attempts.
    if (next.kind === connection.kind) return;
    connection = next;
    listener.onConnection(next);
  }

  function connect() {
    source?.close();
    const asked = withPods;
    const opened = seams.connect(new URL(asked ? `${EVENTS_PATH}?pods=true` : EVENTS_PATH, base).href);
    source = opened;
    const renewAfterMs = asked ? RENEW_AFTER_MS : RENEW_WITHOUT_PODS_AFTER_MS;
    const renewAtMs = steadyNowMs() + renewAfterMs * (1 + seams.random() / 4);
    // Before its snapshot a connection has nothing to say.
    let begun = false;
    withPods = true;
    after(SNAPSHOT_WAIT_MS, retryLater);

    opened.addEventListener("snapshot", (event: MessageEvent<string>) => {
      if (source !== opened) return;
      const message = parseSnapshot(event.data, steadyNowMs());
      if (message === null) return;
      begun = true;
      attempts = 0;
      listener.onMessage(message);
      become({ kind: "live" });
      after(LONGEST_SILENCE_MS, connect);
    });
    opened.onmessage = (event: MessageEvent<string>) => {
      if (source !== opened || !begun) return;
      const message = parseChange(event.data, steadyNowMs());
      if (message !== null) listener.onMessage(message);
      if (steadyNowMs() >= renewAtMs) connect();
      else after(LONGEST_SILENCE_MS, connect);
    };
    opened.onerror = () => {
      if (source !== opened) return;
      if (!begun && opened.readyState === EventSource.CLOSED) withPods = !asked;
      begun = false;
      if (opened.readyState === EventSource.CLOSED) {
        retryLater();
      } else {
        become({ kind: "lost", sinceMs: steadyNowMs() });
        after(BROWSER_RETRY_WAIT_MS, retryLater);
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
