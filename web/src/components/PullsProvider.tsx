/*
 * The only owner of the stream. Messages are gathered for a moment and applied together, so that a busy cluster
 * costs ten renders a second and no more; everything below gets plain data.
 */
import { createContext, use, useEffect, useState, type ReactNode } from "react";
import { openStream, type Connection, type StreamSeams } from "../api/stream";
import type { Message } from "../api/types";
import { NO_PULLS, applyMessages, type Pulls } from "../lib/pulls";
import { ClockProvider } from "./Clock";

const BATCH_MS = 100;
/** A hidden tab's timers hardly run, but its stream does: then the messages are not left to pile up. */
const LARGEST_BATCH = 500;

export interface LivePulls {
  readonly pulls: Pulls;
  readonly connection: Connection;
}

const Context = createContext<LivePulls>({ pulls: NO_PULLS, connection: { kind: "connecting" } });

export function useLivePulls(): LivePulls {
  return use(Context);
}

export function PullsProvider({ children, seams }: { children: ReactNode; seams?: StreamSeams }) {
  const [pulls, setPulls] = useState(NO_PULLS);
  const [connection, setConnection] = useState<Connection>({ kind: "connecting" });

  useEffect(() => {
    let batch: Message[] = [];
    let timer: ReturnType<typeof setTimeout> | undefined;

    function flush() {
      clearTimeout(timer);
      timer = undefined;
      const messages = batch;
      batch = [];
      if (messages.length === 0) return;
      const nowMs = performance.now();
      setPulls((before) => applyMessages(before, messages, nowMs));
    }

    const close = openStream(
      {
        onMessage(message) {
          batch.push(message);
          if (batch.length >= LARGEST_BATCH) flush();
          else timer ??= setTimeout(flush, BATCH_MS);
        },
        onConnection(next) {
          // The state of the connection and the data it is about change in one render.
          flush();
          setConnection(next);
        },
      },
      seams,
    );
    return () => {
      clearTimeout(timer);
      close();
    };
  }, [seams]);

  return (
    <Context value={{ pulls, connection }}>
      <ClockProvider stoppedAtMs={connection.kind === "lost" ? connection.sinceMs : null}>{children}</ClockProvider>
    </Context>
  );
}
