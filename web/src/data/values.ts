/*
 * Single values of the JSON, checked: one that is missing or of the wrong kind gets its neutral value, and no text keeps
 * characters that cannot be seen.
 */
import { visibleText } from "./text";

export type Fields = Readonly<Record<string, unknown>>;

/** An event's lists are bounded where they come from; a list of rows is not cut. */
const LONGEST_LIST = 1000;

export function fieldsOf(data: string): Fields | null {
  try {
    return record(JSON.parse(data));
  } catch {
    return null;
  }
}

export function record(value: unknown): Fields | null {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : null;
}

export function list(value: unknown): unknown[] {
  return Array.isArray(value) ? (value as unknown[]).slice(0, LONGEST_LIST) : [];
}

export function text(value: unknown, longest?: number): string {
  return typeof value === "string" ? visibleText(value, longest) : "";
}

export function amount(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) && value > 0 ? value : 0;
}

export function amountOrNull(value: unknown): number | null {
  return typeof value === "number" ? amount(value) : null;
}

/** Unix milliseconds. */
export function time(value: unknown): number | null {
  const milliseconds = typeof value === "string" ? Date.parse(value) : Number.NaN;
  return Number.isNaN(milliseconds) ? null : milliseconds;
}

export function oneOf<T extends string>(words: readonly T[], value: unknown, otherwise: T): T {
  return words.includes(value as T) ? (value as T) : otherwise;
}
