/** Return Unix milliseconds on a clock that never jumps, and that page and worker share. */
export function steadyNowMs(): number {
  return performance.timeOrigin + performance.now();
}
