// What a row says of its bytes, in words.
import type { Pull } from "./types";
import { formatBytes } from "./format";

/** "412 MiB unpacked / 1.1 GiB fetched / 1.9 GiB": how far each of both kinds of work is, of how much. */
export function amountText(pull: Pull): string {
  const { totalKnown, totalBytes, downloadedBytes, unpackedBytes } = pull;
  if (!totalKnown) return downloadedBytes > 0 ? `${formatBytes(downloadedBytes)} fetched / ≥ ${formatBytes(downloadedBytes)}` : "size not known yet";
  if (totalBytes === 0) return "nothing to download";
  const parts = [];
  if (unpackedBytes > 0) parts.push(`${formatBytes(unpackedBytes)} unpacked`);
  if (downloadedBytes < totalBytes) parts.push(`${formatBytes(downloadedBytes)} fetched`);
  parts.push(downloadedBytes < totalBytes ? formatBytes(totalBytes) : `${formatBytes(totalBytes)} fetched`);
  return parts.join(" / ");
}

/** What is not part of the bar. */
export function besideText(pull: Pull): string[] {
  const parts = [];
  if (pull.cachedBytes > 0) parts.push(`${formatBytes(pull.cachedBytes)} cached`);
  if (pull.lazyBytes > 0) parts.push(`${formatBytes(pull.lazyBytes)} fetched when read`);
  return parts;
}

export function progressText(pull: Pull): string {
  return [amountText(pull), ...besideText(pull)].join(", ");
}

/** The percentage is of the work that is going on: of the download, then of the unpacking. */
export function workBytes(pull: Pull): number {
  return pull.phase === "unpacking" ? pull.unpackedBytes : pull.downloadedBytes;
}
