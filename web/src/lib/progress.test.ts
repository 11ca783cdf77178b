import { expect, it } from "vitest";
import { MIB, aPull } from "../testing/pulls";
import { progressParts } from "./progress";

it.each([
  ["before the manifest is here", { totalKnown: false, totalBytes: 0, downloadedBytes: 0 }, "size not known yet"],
  ["with bytes but no total", { totalKnown: false, downloadedBytes: 2 * MIB }, "2.0 MiB · size not known yet"],
  ["while downloading", {}, "400 MiB of 1000 MiB"],
  ["with some of it unpacked and cached", { unpackedBytes: 100 * MIB, cachedBytes: 120 * MIB }, "400 MiB of 1000 MiB · 100 MiB unpacked · 120 MiB cached"],
  ["when all is downloaded", { downloadedBytes: 1000 * MIB, unpackedBytes: 50 * MIB }, "1000 MiB downloaded · 50 MiB unpacked"],
  ["with layers of a lazy snapshotter", { totalBytes: 0, downloadedBytes: 0, lazyBytes: 71 * MIB }, "nothing to download · 71 MiB fetched when read"],
  ["when all was there before", { totalBytes: 0, downloadedBytes: 0, cachedBytes: 71 * MIB }, "nothing to download · 71 MiB cached"],
])("says %s: %o", (_when, fields, text) => {
  expect(progressParts(aPull(fields)).join(" · ")).toBe(text);
});
