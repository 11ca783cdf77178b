"""Families of current values, read at each scrape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from pulltrace import __version__
from pulltrace.aggregator.metrics.active_pulls import ActivePulls
from pulltrace.aggregator.metrics.metric_labels import MAX_NAMESPACES, OTHER
from pulltrace.aggregator.state.cluster_state import ClusterState
from pulltrace.kube.watch.reflector import WatchHealth
from pulltrace.pulls.model import Phase

IN_PROGRESS = tuple(phase for phase in Phase if not phase.ended)


@dataclass(frozen=True, slots=True)
class Process:
    """Values that every replica reports about itself."""

    leading: Callable[[], bool]
    sse_clients: Callable[[], int]
    watches: Sequence[WatchHealth] = ()
    report_interval_seconds: Callable[[], float | None] = lambda: None
    """From the election's Lease; None without one."""
    per_node_policy: bool = True
    """Whether the settings say that the cluster restricts each agent to the Lease of its own node."""


class ProcessGauges(Collector):
    """Values of this process; a sum over the replicas is meaningful."""

    def __init__(self, process: Process, monotonic: Callable[[], float]) -> None:
        self._process = process
        self._monotonic = monotonic

    def collect(self) -> Iterable[Metric]:
        build = GaugeMetricFamily(
            "pulltrace_build_info", "The running version; always 1. Every replica.", labels=["version"]
        )
        build.add_metric([__version__], 1)
        yield build
        yield GaugeMetricFamily(
            "pulltrace_leader", "1 if this replica leads, else 0. Every replica.", int(self._process.leading())
        )
        yield GaugeMetricFamily(
            "pulltrace_per_node_policy",
            "0 if an agent can write the Lease of any node, because the per-node policy is not installed. Every replica.",
            int(self._process.per_node_policy),
        )
        yield GaugeMetricFamily(
            "pulltrace_sse_clients_active", "Subscribers of this replica's event stream.", self._process.sse_clients()
        )
        if (interval := self._process.report_interval_seconds()) is not None:
            yield GaugeMetricFamily(
                "pulltrace_report_interval_seconds",
                "Time between two reports of a node that pulls, as set by the leader. Every replica.",
                interval,
            )
        restarts = CounterMetricFamily(
            "pulltrace_watch_restarts",
            "Watch connections that ended: by the server's time limit (ended), for a new list (relist), or for a fault."
            " Every replica.",
            labels=["resource", "reason"],
        )
        # Watches of several namespaces are one resource: the number of namespaces is not bounded.
        counts: Counter[tuple[str, str]] = Counter()
        for watch in self._process.watches:
            for reason, count in watch.restarts.items():
                counts[watch.resource.partition(" ")[0], reason] += count
        for key, count in sorted(counts.items()):
            restarts.add_metric(key, count)
        yield restarts
        left_out = CounterMetricFamily(
            "pulltrace_watch_left_out",
            "Objects of a list or a watch that were skipped, because they were unreadable or too long. Every replica.",
            labels=["resource"],
        )
        sums: Counter[str] = Counter()
        for watch in self._process.watches:
            sums[watch.resource.partition(" ")[0]] += watch.left_out.count if watch.left_out is not None else 0
        for resource, count in sorted(sums.items()):
            left_out.add_metric([resource], count)
        yield left_out
        silence = GaugeMetricFamily(
            "pulltrace_watch_silence_seconds",
            "Time since the API server last sent anything to a watch; up to 60 s is usual. Every replica.",
            labels=["resource"],
        )
        now = self._monotonic()
        silences: dict[str, float] = {}
        for watch in self._process.watches:
            if watch.last_response_at is not None:
                resource = watch.resource.partition(" ")[0]
                silences[resource] = max(silences.get(resource, 0.0), now - watch.last_response_at)
        for resource, seconds in sorted(silences.items()):
            silence.add_metric([resource], round(seconds, 3))
        yield silence


class ClusterGauges(Collector):
    """Values of the whole cluster; only the leader serves them."""

    def __init__(self, active: ActivePulls, cluster: ClusterState, monotonic: Callable[[], float]) -> None:
        self._active = active
        self._cluster = cluster
        self._monotonic = monotonic

    def collect(self) -> Iterable[Metric]:
        now, active = self._monotonic(), self._active
        yield GaugeMetricFamily("pulltrace_pulls_active", "Running image pulls.", len(active.running))
        phases = Counter(pull.view.pull.phase for pull in active.running.values())
        by_phase = GaugeMetricFamily("pulltrace_pulls_in_progress", "Running image pulls by phase.", labels=["phase"])
        for phase in IN_PROGRESS:
            by_phase.add_metric([phase], phases[phase])
        yield by_phase
        yield GaugeMetricFamily(
            "pulltrace_pulls_stalled", "Downloads without a byte for at least ten seconds.", active.stalled(now)
        )
        yield GaugeMetricFamily(
            "pulltrace_nodes_failing",
            "Nodes on which a pod waits for an image whose last pull failed.",
            active.failing_nodes(),
        )
        waiting = GaugeMetricFamily(
            "pulltrace_pods_waiting",
            "Pods that wait for images, in the namespaces with the most of them.",
            labels=["namespace"],
        )
        ranked = active.namespaces.most_common()
        for namespace, count in ranked[:MAX_NAMESPACES]:
            waiting.add_metric([namespace], count)
        if rest := sum(count for _, count in ranked[MAX_NAMESPACES:]):
            waiting.add_metric([OTHER], rest)
        yield waiting
        ages = GaugeMetricFamily(
            "pulltrace_node_last_report_age_seconds",
            "Time since the last change of a node's Lease; up to 150 s is usual for a node without pulls.",
            labels=["node"],
        )
        for name, node in self._cluster.nodes.items():
            if not node.gone:
                ages.add_metric([name], round(max(0.0, now - node.last_report_at), 3))
        yield ages


class LeaderGate(Collector):
    """The families of another registry, on the leader only; updated before each scrape."""

    def __init__(self, registry: CollectorRegistry, leading: Callable[[], bool], catch_up: Callable[[], None]) -> None:
        self._registry = registry
        self._leading = leading
        self._catch_up = catch_up

    def collect(self) -> Iterable[Metric]:
        self._catch_up()
        return self._registry.collect() if self._leading() else ()
