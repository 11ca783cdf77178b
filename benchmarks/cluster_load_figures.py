"""The figures of `cluster_load`: what is computed from what was recorded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

from benchmarks.cluster_load_nodes import Traffic, Write
from benchmarks.node_cost import cpu_seconds
from tests.cluster.control_plane import ControlPlane
from tests.real.programs import resident_mib

WORST_SECONDS = 10.0
EDGE_SECONDS = 1.0
"""Writes so close to a time without any are not asked when they arrived."""
_REJECTED = re.compile(
    r'^apiserver_flowcontrol_rejected_requests_total\{.*priority_level="([^"]+)".*\} (\S+)$', re.MULTILINE
)


@dataclass(frozen=True)
class Window:
    """A time, by the monotonic clock."""

    begin: float
    end: float

    def holds(self, moment: float) -> bool:
        return self.begin <= moment < self.end


class Before:
    """How things stood when a phase began."""

    def __init__(self, control_plane: ControlPlane, aggregator: int, traffic: Traffic) -> None:
        self.control_plane, self.aggregator, self.traffic = control_plane, aggregator, traffic
        self.rejected = rejections(control_plane)
        self.database = database_bytes(control_plane)
        self.writes, self.reads = len(traffic.writes), traffic.reads
        self.too_many, self.other_errors = traffic.too_many, traffic.other_errors
        self.cpu_used = -cpu_seconds(aggregator)

    def pause(self) -> None:
        self.cpu_used += cpu_seconds(self.aggregator)

    def resume(self) -> None:
        self.cpu_used -= cpu_seconds(self.aggregator)


@dataclass(frozen=True)
class Figures:
    """One phase, as it is printed."""

    lines: tuple[str, ...]

    def __str__(self) -> str:
        return "\n    ".join(self.lines)


def figures(name: str, before: Before, active: Sequence[Window], still: Sequence[Window], records: Path) -> Figures:
    """What happened while the windows `active` lasted."""
    traffic, control_plane = before.traffic, before.control_plane
    seconds = sum(window.end - window.begin for window in active)
    writes = traffic.writes[before.writes :]
    counted = [write for write in writes if any(window.holds(write.at) for window in active)]
    writing = f"{len(counted) / seconds:.1f}, worst 10 s {worst(counted, active):.1f}"
    reading = (traffic.reads - before.reads) / seconds
    refusing = f"{traffic.too_many - before.too_many} to agents, by level"
    cpu = before.cpu_used + cpu_seconds(before.aggregator)
    rejected = {k: n - before.rejected.get(k, 0) for k, n in rejections(control_plane).items()}
    refused = {level: count for level, count in rejected.items() if count > 0}
    seen, shown, renewals, failed = read_records(records, active[0].begin, (*active, *still))
    errors = f"{traffic.other_errors - before.other_errors} of agents, {failed} of kubelets"
    watched, streamed = latencies(counted, active, still, seen, shown)
    grown = (database_bytes(control_plane) - before.database) / 2**20
    with_us = [lasted for at, lasted in renewals if any(window.holds(at) for window in active)]
    without = [lasted for at, lasted in renewals if any(window.holds(at) for window in still)]
    lines = [
        f"{name} ({seconds:.0f} s)",
        f"writes a second: {writing}; reads {reading:.1f}",
        f"bytes a second into the API: {sum(w.bytes for w in counted) / seconds / 1024:.1f} KiB; etcd's file {grown:+.1f} MiB",
        f"429: {refusing} {refused or 'none'}; other errors: {errors}",
        f"a write takes {text([w.lasted for w in counted])}",
        f"kubelets' renewals with Pulltrace {text(with_us)}" + (f", without {text(without)}" if without else ""),
        f"aggregator: {100 * cpu / seconds:.1f} % of a core, {resident_mib(before.aggregator):.0f} MiB",
        f"patch to watch {text(watched)}; patch to SSE {text(streamed)}",
    ]
    if not still:
        lines.append(first_writes(counted, active[0].begin))
    return Figures(tuple(lines))


def first_writes(writes: Sequence[Write], began: float) -> str:
    first: dict[str, float] = {}
    for write in sorted(writes, key=lambda write: write.at):
        first.setdefault(write.node, write.at + write.lasted - began)
    after = sorted(first.values())
    if not after:
        return "no node wrote"
    return (
        f"{len(after)} nodes wrote; half of them after {after[len(after) // 2]:.1f} s, the last after {after[-1]:.1f} s"
    )


def worst(writes: Sequence[Write], active: Sequence[Window]) -> float:
    """Writes a second in the 10 s that had the most, without the times when agents stood still."""
    times, passed = [], 0.0
    for window in active:
        times += [write.at - window.begin + passed for write in writes if window.holds(write.at)]
        passed += window.end - window.begin
    times.sort()
    most = first = 0
    for last, moment in enumerate(times):
        while moment - times[first] >= WORST_SECONDS:
            first += 1
        most = max(most, last - first + 1)
    return most / WORST_SECONDS


def latencies(
    writes: Iterable[Write],
    active: Sequence[Window],
    still: Sequence[Window],
    seen: dict[str, float],
    shown: dict[tuple[str, str, int], float],
) -> tuple[list[float], list[float]]:
    """From an agent's call to the watch, and to the viewer."""
    calm = [Window(w.begin + EDGE_SECONDS, w.end - EDGE_SECONDS) for w in active] if still else active
    asked = [write for write in writes if any(window.holds(write.at) for window in calm)]
    watched = [seen[write.version] - write.at for write in asked if write.version in seen]
    streamed = [shown[pull] - write.at for write in asked for pull in write.pulls if pull in shown]
    return watched, [lasted for lasted in streamed if lasted >= 0]


def read_records(
    path: Path, since: float, windows: Sequence[Window]
) -> tuple[dict[str, float], dict[tuple[str, str, int], float], list[tuple[float, float]], int]:
    """What the others wrote: when versions and pulls were seen first, renewals, and how many of those failed."""
    seen: dict[str, float] = {}
    shown: dict[tuple[str, str, int], float] = {}
    renewals: list[tuple[float, float]] = []
    failed = 0
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            match line.split():
                case ["watch", at, version] if float(at) >= since:
                    seen.setdefault(version, float(at))
                case ["sse", at, pull, phase, done] if float(at) >= since:
                    shown.setdefault((pull, phase, int(done)), float(at))
                case ["renewal", at, lasted, status] if any(window.holds(float(at)) for window in windows):
                    if status in {"200", "201"}:
                        renewals.append((float(at), float(lasted)))
                    else:
                        failed += 1
    return seen, shown, renewals, failed


def text(latency_seconds: Sequence[float]) -> str:
    if len(latency_seconds) < 2:
        return "(none)"
    parts = quantiles(latency_seconds, n=100)
    return f"p50 {1000 * parts[49]:.1f} p99 {1000 * parts[98]:.1f} ms (n={len(latency_seconds)})"


def rejections(control_plane: ControlPlane) -> dict[str, int]:
    """Requests that the API server has refused, by priority level."""
    found: dict[str, int] = {}
    for level, count in _REJECTED.findall(control_plane.admin.get("/metrics")["text"]):
        found[level] = found.get(level, 0) + int(float(count))
    return found


def database_bytes(control_plane: ControlPlane) -> int:
    return (control_plane.folder / "etcd/member/snap/db").stat().st_size


def lease_bytes(control_plane: ControlPlane, namespace: str) -> str:
    """Of the Leases with five running pulls: their annotations, keys and values."""
    leases = control_plane.admin.get(f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases")["items"]
    every = (lease["metadata"].get("annotations") or {} for lease in leases)
    sizes = sorted(
        (
            sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()),
            sum(len(value.encode()) for key, value in annotations.items() if key == "pulltrace.io/recent"),
        )
        for annotations in every
        if sum(key.startswith("pull.pulltrace.io/") for key in annotations) == 5
    )
    if not sizes:
        return "none found"
    middle, most = sizes[len(sizes) // 2], sizes[-1]
    return f"median {middle[0]} bytes of annotations ({middle[1]} of them ended pulls), most {most[0]} (n={len(sizes)})"
