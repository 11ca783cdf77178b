/*
 * The only owner of the feed, and the page's clock: everything below gets plain data. The clock is one timer for all that
 * moves on between reports; while the connection is lost or the page is paused nothing is known to move, so estimates
 * stand still at that moment.
 */
import { createContext, use, useEffect, useMemo, useRef, useState, type ReactNode } from "react";
import { steadyNowMs } from "./clock";
import type { FeedSeams, Viewer } from "./feed";
import { openLink } from "./link";
import { applyUpdate, NOTHING, type Cluster } from "../model/cluster";
import { usePlace } from "./Place";

const TICK_MS = 500;

export interface Live {
  readonly cluster: Cluster;
  /** When the page was paused; null while it is not. */
  readonly pausedAtMs: number | null;
  readonly setPaused: (paused: boolean) => void;
}

export interface Clock {
  readonly nowMs: number;
  /** The same, but standing still while nothing is heard. */
  readonly estimateAtMs: number;
}

const LiveContext = createContext<Live | null>(null);
const ClockContext = createContext<Clock>({ nowMs: 0, estimateAtMs: 0 });

export function useLive(): Live {
  const live = use(LiveContext);
  if (live === null) throw new Error("no LiveProvider above");
  return live;
}

export function useClock(): Clock {
  return use(ClockContext);
}

export function LiveProvider({ children, seams }: { children: ReactNode; seams?: FeedSeams }) {
  const [cluster, setCluster] = useState(NOTHING);
  const [pausedAtMs, setPausedAtMs] = useState<number | null>(null);
  const hidden = useHidden();
  const { open } = usePlace().place;
  const viewer = useRef<Viewer | null>(null);
  const watching = pausedAtMs === null && !hidden;

  useEffect(() => {
    const opened = openLink((update) => setCluster((before) => applyUpdate(before, update)), seams);
    viewer.current = opened;
    return () => {
      viewer.current = null;
      opened.leave();
    };
  }, [seams]);

  useEffect(() => viewer.current?.setWatching(watching), [watching]);
  useEffect(() => viewer.current?.setOpen(open), [open]);

  const live = useMemo(
    () => ({ cluster, pausedAtMs, setPaused: (paused: boolean) => setPausedAtMs(paused ? steadyNowMs() : null) }),
    [cluster, pausedAtMs],
  );
  const { connection } = cluster;
  const stoppedAtMs = pausedAtMs ?? (connection.kind === "lost" ? connection.sinceMs : null);
  return (
    <LiveContext value={live}>
      <Ticking stoppedAtMs={stoppedAtMs} hidden={hidden}>
        {children}
      </Ticking>
    </LiveContext>
  );
}

function Ticking({ stoppedAtMs, hidden, children }: { stoppedAtMs: number | null; hidden: boolean; children: ReactNode }) {
  const [nowMs, setNowMs] = useState(steadyNowMs);
  useEffect(() => {
    if (hidden) return;
    const timer = setInterval(() => setNowMs(steadyNowMs()), TICK_MS);
    return () => clearInterval(timer);
  }, [hidden]);
  const clock = useMemo(() => ({ nowMs, estimateAtMs: stoppedAtMs ?? nowMs }), [nowMs, stoppedAtMs]);
  return <ClockContext value={clock}>{children}</ClockContext>;
}

function useHidden(): boolean {
  const [hidden, setHidden] = useState(() => document.hidden);
  useEffect(() => {
    const look = () => setHidden(document.hidden);
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  }, []);
  return hidden;
}
