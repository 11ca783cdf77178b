import { expect, it } from "vitest";
import { aPod, aRow, rowsOf } from "../testing/builders";
import { connectionChange, phaseChanges, podChanges, summarize } from "./announcements";

const rows = (...pulls: Record<string, unknown>[]) => rowsOf(...pulls.map((fields) => aRow(fields)));

it("announces pods whose images are ready, and pods that cannot start", () => {
  const pods = (...states: string[]) => new Map(states.map((state, index) => [`${index}`, aPod({ podName: `web-${index}`, state })]));
  const changes = podChanges(pods("waiting", "waiting", "ready"), pods("ready", "failing", "ready", "waiting"));
  expect(changes).toEqual(["Images of pod web-0 are ready", "Pod web-1 cannot start"]);
});

it("announces starts, phases and ends, not bytes", () => {
  const before = rows({ id: "a" }, { id: "b" }, { id: "c", downloadedBytes: 1 });
  const after = rows({ id: "a", phase: "unpacking" }, { id: "b", phase: "failed" }, { id: "c", downloadedBytes: 2 }, { id: "d" });
  const image = "docker.io/library/nginx:1.27 on worker-1";
  expect(phaseChanges(before, after)).toEqual([`${image}: unpacking`, `${image}: failed`, `${image}: started`]);
});

it("announces at most three changes at a time", () => {
  expect(summarize(["one", "two", "three", "four", "five"])).toBe("one. two. three. And 2 more changes");
});

it("announces that the connection was lost and restored, not that it was made", () => {
  expect(connectionChange("connecting", "live")).toEqual([]);
  expect(connectionChange("live", "lost")).toEqual(["Connection to the server lost; reconnecting"]);
  expect(connectionChange("lost", "live")).toEqual(["Connection to the server restored"]);
});
