/**
 * Milliseconds since 1970 on a clock that never jumps while the page is open, and that reads the same in a page and in
 * the worker that it shares with others. Everything that is counted down or moved on counts from this clock.
 */
export function steadyNowMs(): number {
  return performance.timeOrigin + performance.now();
}
