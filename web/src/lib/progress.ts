// What a row says of its bytes, in words.
import type { Pull } from "../api/types";
import { formatBytes } from "./format";

/** "412 MiB of 1.9 GiB", "310 MiB unpacked", "120 MiB cached": what applies, most important first. */
export function progressParts(pull: Pull): string[] {
  const parts = [amountText(pull)];
  if (pull.unpackedBytes > 0 && pull.unpackedBytes < pull.totalBytes) {
    parts.push(`${formatBytes(pull.unpackedBytes)} unpacked`);
  }
  if (pull.cachedBytes > 0) parts.push(`${formatBytes(pull.cachedBytes)} cached`);
  if (pull.lazyBytes > 0) parts.push(`${formatBytes(pull.lazyBytes)} fetched when read`);
  return parts;
}

function amountText(pull: Pull): string {
  if (!pull.totalKnown) {
    return pull.downloadedBytes > 0
      ? `${formatBytes(pull.downloadedBytes)} · size not known yet`
      : "size not known yet";
  }
  if (pull.totalBytes === 0) return "nothing to download";
  if (pull.downloadedBytes >= pull.totalBytes) return `${formatBytes(pull.totalBytes)} downloaded`;
  return `${formatBytes(pull.downloadedBytes)} of ${formatBytes(pull.totalBytes)}`;
}
