import { expect, it } from "vitest";
import { MIB, aPull } from "../testing/builders";
import { progressText } from "./progress";

it.each([
  ["before the manifest arrives", { totalKnown: false, totalBytes: 0, downloadedBytes: 0 }, "size not known yet"],
  ["with bytes but no total", { totalKnown: false, downloadedBytes: 2 * MIB }, "2.0 MiB downloaded / ≥ 2.0 MiB"],
  ["while downloading", {}, "400 MiB downloaded / 1.0 GiB"],
  ["with some of it unpacked and cached", { unpackedBytes: 100 * MIB, cachedBytes: 120 * MIB }, "100 MiB unpacked / 400 MiB downloaded / 1.0 GiB, 120 MiB cached"],
  ["when all is downloaded", { downloadedBytes: 1000 * MIB, unpackedBytes: 50 * MIB }, "50 MiB unpacked / 1.0 GiB downloaded"],
  ["with layers of a lazy snapshotter", { totalBytes: 0, downloadedBytes: 0, lazyBytes: 71 * MIB }, "nothing to download, 71 MiB loaded on demand"],
  ["when all of it was on the node before", { totalBytes: 0, downloadedBytes: 0, cachedBytes: 71 * MIB }, "nothing to download, 71 MiB cached"],
])("writes the bytes %s: %o", (_when, fields, text) => {
  expect(progressText(aPull(fields))).toBe(text);
});
