import { expect, it } from "vitest";
import { aPod, aRow, rowsOf } from "../testing/pulls";
import { connectionChange, phaseChanges, podChanges, summarise } from "./announce";

const rows = (...pulls: Record<string, unknown>[]) => rowsOf(...pulls.map((fields) => aRow(fields)));

it("tells which pods have their images now, and which cannot get them", () => {
  const pods = (...states: string[]) => new Map(states.map((state, index) => [`${index}`, aPod({ podName: `web-${index}`, state })]));
  const news = podChanges(pods("waiting", "waiting", "ready"), pods("ready", "failing", "ready", "waiting"));
  expect(news).toEqual(["Pod web-0 has its images", "Pod web-1 cannot get an image"]);
});

it("tells what started, moved on and ended, and nothing of bytes", () => {
  const before = rows({ id: "a" }, { id: "b" }, { id: "c", downloadedBytes: 1 });
  const after = rows({ id: "a", phase: "unpacking" }, { id: "b", phase: "failed" }, { id: "c", downloadedBytes: 2 }, { id: "d" });
  const image = "docker.io/library/nginx:1.27 on worker-1";
  expect(phaseChanges(before, after)).toEqual([`${image}: unpacking`, `${image}: failed`, `${image}: started`]);
});

it("says no more than three things at a time", () => {
  expect(summarise(["one", "two", "three", "four", "five"])).toBe("one. two. three. And 2 more changes");
});

it("tells that the connection was lost and that it is back, not that it was made", () => {
  expect(connectionChange("connecting", "live")).toEqual([]);
  expect(connectionChange("live", "lost")).toEqual(["Connection to the server lost; reconnecting"]);
  expect(connectionChange("lost", "live")).toEqual(["Connection to the server is back"]);
});
