// The bytes of a pull in words.
import type { Pull } from "./types";
import { formatBytes } from "./format";

/** Return "412 MiB unpacked / 1.1 GiB downloaded / 1.9 GiB". */
export function amountText(pull: Pull): string {
  const { totalKnown, totalBytes, downloadedBytes, unpackedBytes } = pull;
  if (!totalKnown) return downloadedBytes > 0 ? `${formatBytes(downloadedBytes)} downloaded / ≥ ${formatBytes(downloadedBytes)}` : "size not known yet";
  if (totalBytes === 0) return "nothing to download";
  const parts = [];
  if (unpackedBytes > 0) parts.push(`${formatBytes(unpackedBytes)} unpacked`);
  if (downloadedBytes < totalBytes) parts.push(`${formatBytes(downloadedBytes)} downloaded`);
  parts.push(downloadedBytes < totalBytes ? formatBytes(totalBytes) : `${formatBytes(totalBytes)} downloaded`);
  return parts.join(" / ");
}

/** Return the bytes that the bar leaves out. */
export function besideText(pull: Pull): string[] {
  const parts = [];
  if (pull.cachedBytes > 0) parts.push(`${formatBytes(pull.cachedBytes)} cached`);
  if (pull.lazyBytes > 0) parts.push(`${formatBytes(pull.lazyBytes)} loaded on demand`);
  return parts;
}

export function progressText(pull: Pull): string {
  return [amountText(pull), ...besideText(pull)].join(", ");
}

/** Return the bytes of the percentage: downloaded ones, then unpacked ones. */
export function workBytes(pull: Pull): number {
  return pull.phase === "unpacking" ? pull.unpackedBytes : pull.downloadedBytes;
}
