// Numbers for people: short, of steady width, and without false digits.

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/**
 * Return "0 B", "8.4 MiB", "412 MiB" or "12.3 GiB": one decimal below ten and from GiB on, and the next unit from 999.5 on.
 * The server's pulls.formatting has the same rule; tests/pulls/sizes.tsv holds both to it.
 */
export function formatBytes(bytes: number): string {
  let unit = 0;
  let value = bytes;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const decimals = unit > 0 && (unit >= 3 || value < 9.95) ? 1 : 0;
  return `${value.toFixed(decimals)} ${UNITS[unit] ?? ""}`;
}

export function formatRate(bytesPerSec: number): string {
  return `${formatBytes(bytesPerSec)}/s`;
}

/** Return a duration: "0.8 s", "48 s", "3 min 12 s", "1 h 04 min". */
export function formatDuration(seconds: number): string {
  const exact = Math.max(0, seconds);
  if (exact < 9.95) return `${exact.toFixed(1)} s`;
  const whole = Math.round(exact);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${twoDigits(whole % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${twoDigits(minutes % 60)} min`;
}

/**
 * Return a time left, as coarse as an estimate is: "about 40 s", "about 3 min", "about 1 h 20 min", or "20 s to 1 min" with
 * bounds that differ.
 */
export function formatTimeLeft(soonest: number, latest: number = soonest): string {
  if (latest < 5) return "a few seconds";
  const [from, to] = [roughTime(soonest), roughTime(latest)];
  if (from === to) return `about ${to}`;
  return soonest < 5 ? `up to ${to}` : `${from} to ${to}`;
}

function roughTime(seconds: number): string {
  if (seconds < 57.5) return `${Math.round(seconds / 5) * 5} s`;
  const minutes = Math.max(1, Math.round(seconds / 60));
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  const rest = Math.round((minutes % 60) / 10) * 10;
  if (rest === 60) return `${hours + 1} h`;
  return rest === 0 ? `${hours} h` : `${hours} h ${rest} min`;
}

/** Return an age in whole units: "8 s", "3 min", "2 h". */
export function formatAge(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min`;
  return `${Math.floor(whole / 3600)} h`;
}

/** Return the local time of day: "15:04:05". */
export function formatClock(unixMs: number): string {
  const date = new Date(unixMs);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map(twoDigits).join(":");
}

export function formatPercent(part: number, whole: number): string {
  return `${Math.floor(percentOf(part, whole))}%`;
}

/** Return 0 to 100; 100 if the whole is nothing. */
export function percentOf(part: number, whole: number): number {
  if (whole <= 0) return 100;
  return Math.min(100, Math.max(0, (part / whole) * 100));
}

export function count(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`;
}

function twoDigits(number: number): string {
  return String(number).padStart(2, "0");
}
