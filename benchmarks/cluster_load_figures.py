"""The figures of `cluster_load`, computed from its records."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isnan, nan
from pathlib import Path
from statistics import median, quantiles

from benchmarks.cluster_load_nodes import Traffic, Write
from benchmarks.cluster_load_served import Served, together
from benchmarks.node_cost import cpu_seconds
from pulltrace.pulls.lease_format.annotations import PULL_PREFIX, RECENT
from tests.agent import fleet
from tests.cluster.control_plane import ControlPlane
from tests.real.programs import resident_mib

EDGE_SECONDS = 1.0
"""Writes this close to a window without agents have no arrival time."""
_REJECTED = re.compile(
    r'^apiserver_flowcontrol_rejected_requests_total\{.*priority_level="([^"]+)".*\} (\S+)$', re.MULTILINE
)


@dataclass(frozen=True)
class Window:
    """A window of the monotonic clock."""

    begin: float
    end: float

    def holds(self, moment: float) -> bool:
        return self.begin <= moment < self.end


class Before:
    """The state at the start of a phase."""

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
    """The figures of one phase. Latencies are in seconds; renewals are those of kubelets, one list for each window."""

    name: str
    seconds: float
    writes_per_second: float
    worst_per_second: float
    reads_per_second: float
    kib_per_second: float
    etcd_mib: float
    too_many: int
    refused: dict[str, int]
    """By priority level."""
    errors: str
    writes: Sequence[float]
    renewals: Sequence[Sequence[float]]
    quiet_renewals: Sequence[Sequence[float]]
    """While agents paused."""
    served: Served
    """The renewals as the API server counts them."""
    quiet_served: Served
    cpu_percent: float
    mib: float
    watched: Sequence[float]
    streamed: Sequence[float]
    nodes: int
    """Nodes with at least one write."""
    half_after: float
    last_after: float

    def __str__(self) -> str:
        lines = [
            f"{self.name} ({self.seconds:.0f} s)",
            f"writes a second: {self.writes_per_second:.1f}, worst 10 s {self.worst_per_second:.1f}; reads {self.reads_per_second:.1f}",
            f"bytes a second into the API: {self.kib_per_second:.1f} KiB; etcd's file {self.etcd_mib:+.1f} MiB",
            f"429: {self.too_many} to agents, by level {self.refused or 'none'}; other errors: {self.errors}",
            f"a write takes {text(self.writes)}",
            f"kubelets' renewals with Pulltrace {text(pooled(self.renewals))}"
            + (f", without {text(pooled(self.quiet_renewals))}" if self.quiet_renewals else ""),
            f"as the API server counts them: {served_text(self.served)}"
            + (f", without {served_text(self.quiet_served)}" if self.quiet_renewals else ""),
            f"aggregator: {self.cpu_percent:.1f} % of a core, {self.mib:.0f} MiB",
            f"patch to watch {text(self.watched)}; patch to SSE {text(self.streamed)}",
            f"{self.nodes} nodes wrote; half of them after {self.half_after:.1f} s, the last after {self.last_after:.1f} s",
        ]
        return "\n    ".join(lines)


def figures(
    name: str,
    before: Before,
    active: Sequence[Window],
    still: Sequence[Window],
    counted: tuple[Sequence[Served], Sequence[Served]],
    records: Path,
) -> Figures:
    """Return the figures of the windows `active`; `counted` by the API server in each of them, and in the pauses."""
    traffic, control_plane = before.traffic, before.control_plane
    seconds = sum(window.end - window.begin for window in active)
    writes = [write for write in traffic.writes[before.writes :] if any(window.holds(write.at) for window in active)]
    cpu = before.cpu_used + cpu_seconds(before.aggregator)
    rejected = {k: n - before.rejected.get(k, 0) for k, n in rejections(control_plane).items()}
    seen, shown, renewals, failed = read_records(records, active[0].begin, (*active, *still))
    watched, streamed = latencies(writes, active, still, seen, shown)
    first = first_writes(writes, active[0].begin)
    return Figures(
        name=name,
        seconds=seconds,
        writes_per_second=len(writes) / seconds,
        worst_per_second=worst(writes, active),
        reads_per_second=(traffic.reads - before.reads) / seconds,
        kib_per_second=sum(write.bytes for write in writes) / seconds / 1024,
        etcd_mib=(database_bytes(control_plane) - before.database) / 2**20,
        too_many=traffic.too_many - before.too_many,
        refused={level: count for level, count in rejected.items() if count > 0},
        errors=f"{traffic.other_errors - before.other_errors} of agents, {failed} of kubelets",
        writes=[write.lasted for write in writes],
        renewals=within(renewals, active),
        quiet_renewals=within(renewals, still),
        served=together(counted[0]),
        quiet_served=together(counted[1]),
        cpu_percent=100 * cpu / seconds,
        mib=resident_mib(before.aggregator),
        watched=watched,
        streamed=streamed,
        nodes=len(first),
        half_after=first[len(first) // 2] if first else 0.0,
        last_after=first[-1] if first else 0.0,
    )


def within(renewals: Sequence[tuple[float, float]], windows: Sequence[Window]) -> list[list[float]]:
    return [[lasted for at, lasted in renewals if window.holds(at)] for window in windows]


def pooled(windows: Sequence[Sequence[float]]) -> list[float]:
    return [lasted for window in windows for lasted in window]


def first_writes(writes: Sequence[Write], began: float) -> list[float]:
    """Return for each node with a write the seconds to the answer to its first write; the shortest first."""
    first: dict[str, float] = {}
    for write in sorted(writes, key=lambda write: write.at):
        first.setdefault(write.node, write.at + write.lasted - began)
    return sorted(first.values())


def worst(writes: Sequence[Write], active: Sequence[Window]) -> float:
    """Return the writes a second in the 10 s that had the most, without the pauses."""
    times, passed = [], 0.0
    for window in active:
        times += [write.at - window.begin + passed for write in writes if window.holds(write.at)]
        passed += window.end - window.begin
    return fleet.worst(times)


def latencies(
    writes: Iterable[Write],
    active: Sequence[Window],
    still: Sequence[Window],
    seen: dict[str, float],
    shown: dict[tuple[str, str, int], float],
) -> tuple[list[float], list[float]]:
    """Return the latencies from an agent's call to the watch, and to the viewer."""
    calm = [Window(w.begin + EDGE_SECONDS, w.end - EDGE_SECONDS) for w in active] if still else active
    asked = [write for write in writes if any(window.holds(write.at) for window in calm)]
    watched = [seen[write.version] - write.at for write in asked if write.version in seen]
    streamed = [shown[pull] - write.at for write in asked for pull in write.pulls if pull in shown]
    return watched, [lasted for lasted in streamed if lasted >= 0]


def read_records(
    path: Path, since: float, windows: Sequence[Window]
) -> tuple[dict[str, float], dict[tuple[str, str, int], float], list[tuple[float, float]], int]:
    """Return the records of the other processes: the first times of versions and pulls, renewals, and failed ones."""
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


def percentiles(latency_seconds: Sequence[float]) -> tuple[float, float]:
    """Return p50 and p99 in ms; NaN with too few values."""
    if len(latency_seconds) < 2:
        return nan, nan
    parts = quantiles(latency_seconds, n=100)
    return 1000 * parts[49], 1000 * parts[98]


def text(latency_seconds: Sequence[float]) -> str:
    p50, p99 = percentiles(latency_seconds)
    return "(none)" if isnan(p50) else f"p50 {p50:.1f} p99 {p99:.1f} ms (n={len(latency_seconds)})"


def served_text(it: Served) -> str:
    return f"mean {1000 * it.mean:.1f} p99 {1000 * it.quantile(0.99):.1f} ms (n={it.count:.0f})"


def rejections(control_plane: ControlPlane) -> dict[str, int]:
    """Return the requests that the API server refused, by priority level."""
    found: dict[str, int] = {}
    for level, count in _REJECTED.findall(control_plane.admin.get("/metrics")["text"]):
        found[level] = found.get(level, 0) + int(float(count))
    return found


def database_bytes(control_plane: ControlPlane) -> int:
    return (control_plane.folder / "etcd/member/snap/db").stat().st_size


@dataclass(frozen=True)
class LeaseBytes:
    """Annotations, keys and values, of the Leases with five running pulls."""

    count: int
    median: int
    most: int
    """Both without ended pulls, whose number depends on the last 30 minutes."""
    median_ended: int


def lease_bytes(control_plane: ControlPlane, namespace: str) -> LeaseBytes:
    leases = control_plane.admin.get(f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases")["items"]
    running, ended = [], []
    for lease in leases:
        annotations = lease["metadata"].get("annotations") or {}
        if sum(key.startswith(PULL_PREFIX) for key in annotations) == 5:
            sizes = {key: len(key.encode()) + len(value.encode()) for key, value in annotations.items()}
            ended.append(sizes.pop(RECENT, 0))
            running.append(sum(sizes.values()))
    if not running:
        return LeaseBytes(0, 0, 0, 0)
    return LeaseBytes(len(running), round(median(running)), max(running), round(median(ended)))
