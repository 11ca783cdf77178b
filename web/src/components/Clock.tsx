/*
 * The page's clock: one timer for everything that moves on between reports. While the connection is lost nothing is
 * known to move, so estimates stand still at the moment it was lost.
 */
import { createContext, use, useEffect, useState, type ReactNode } from "react";

const TICK_MS = 500;

export interface Clock {
  /** The browser's monotonic clock. */
  readonly nowMs: number;
  /** The same, but standing still while the connection is lost. */
  readonly estimateAtMs: number;
}

const Context = createContext<Clock>({ nowMs: 0, estimateAtMs: 0 });

export function useClock(): Clock {
  return use(Context);
}

export function ClockProvider({ stoppedAtMs, children }: { stoppedAtMs: number | null; children: ReactNode }) {
  const [nowMs, setNowMs] = useState(() => performance.now());
  useEffect(() => {
    const timer = setInterval(() => setNowMs(performance.now()), TICK_MS);
    return () => clearInterval(timer);
  }, []);
  return <Context value={{ nowMs, estimateAtMs: stoppedAtMs ?? nowMs }}>{children}</Context>;
}
