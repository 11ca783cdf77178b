import { expect, it } from "vitest";
import { MIB, aPull } from "../testing/pulls";
import { progressText } from "./progress";

it.each([
  ["before the manifest is here", { totalKnown: false, totalBytes: 0, downloadedBytes: 0 }, "size not known yet"],
  ["with bytes but no total", { totalKnown: false, downloadedBytes: 2 * MIB }, "2.0 MiB fetched / ≥ 2.0 MiB"],
  ["while downloading", {}, "400 MiB fetched / 1000 MiB"],
  ["with some of it unpacked and cached", { unpackedBytes: 100 * MIB, cachedBytes: 120 * MIB }, "100 MiB unpacked / 400 MiB fetched / 1000 MiB, 120 MiB cached"],
  ["when all is downloaded", { downloadedBytes: 1000 * MIB, unpackedBytes: 50 * MIB }, "50 MiB unpacked / 1000 MiB fetched"],
  ["with layers of a lazy snapshotter", { totalBytes: 0, downloadedBytes: 0, lazyBytes: 71 * MIB }, "nothing to download, 71 MiB fetched when read"],
  ["when all was there before", { totalBytes: 0, downloadedBytes: 0, cachedBytes: 71 * MIB }, "nothing to download, 71 MiB cached"],
])("says %s: %o", (_when, fields, text) => {
  expect(progressText(aPull(fields))).toBe(text);
});
