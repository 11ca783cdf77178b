"""The families that say what is true now, read when they are asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from pulltrace import __version__
from pulltrace.aggregator.metrics.active_pulls import Live
from pulltrace.aggregator.metrics.metric_labels import MOST_NAMESPACES, OTHER
from pulltrace.aggregator.state.cluster_state import Cluster
from pulltrace.kube.watch.reflector import WatchHealth
from pulltrace.pulls.model import Phase

IN_PROGRESS = tuple(phase for phase in Phase if not phase.ended)


@dataclass(frozen=True, slots=True)
class Process:
    """What every replica tells of itself."""

    leading: Callable[[], bool]
    sse_clients: Callable[[], int]
    watches: Sequence[WatchHealth] = ()
    report_interval_seconds: Callable[[], float | None] = lambda: None
    """What the election's Lease says; None where there is none."""
    per_node_policy: bool = True
    """Whether the cluster keeps each agent to the Lease of its own node, as far as whoever installed it knows."""


class ProcessGauges(Collector):
    """Of this process; a sum over the replicas means something."""

    def __init__(self, process: Process, monotonic: Callable[[], float]) -> None:
        self._process = process
        self._monotonic = monotonic

    def collect(self) -> Iterable[Metric]:
        build = GaugeMetricFamily(
            "pulltrace_build_info", "The version that runs; always 1. Every replica.", labels=["version"]
        )
        build.add_metric([__version__], 1)
        yield build
        yield GaugeMetricFamily(
            "pulltrace_leader", "1 where this replica leads, else 0. Every replica.", int(self._process.leading())
        )
        yield GaugeMetricFamily(
            "pulltrace_per_node_policy",
            "0 where an agent can write the Lease of any node, because the per-node policy was left out. Every replica.",
            int(self._process.per_node_policy),
        )
        yield GaugeMetricFamily(
            "pulltrace_sse_clients_active", "Readers of this replica's event stream.", self._process.sse_clients()
        )
        if (interval := self._process.report_interval_seconds()) is not None:
            yield GaugeMetricFamily(
                "pulltrace_report_interval_seconds",
                "Time between two reports of a node that pulls, as the leader has set it. Every replica.",
                interval,
            )
        restarts = CounterMetricFamily(
            "pulltrace_watch_restarts",
            "Connections of watches that ended: by the server's time limit (ended), for the list that is due (relist), or"
            " for a fault. Every replica.",
            labels=["resource", "reason"],
        )
        # Watches of several namespaces are one resource: namespaces have no end.
        counts: Counter[tuple[str, str]] = Counter()
        for watch in self._process.watches:
            for reason, count in watch.restarts.items():
                counts[watch.resource.partition(" ")[0], reason] += count
        for key, count in sorted(counts.items()):
            restarts.add_metric(key, count)
        yield restarts
        left_out = CounterMetricFamily(
            "pulltrace_watch_left_out",
            "Objects that were left out of a list or a watch, because they could not be read or were too long. Every replica.",
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
            "Time since the API server last said anything to a watch; up to 60 s is usual. Every replica.",
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
    """Of the whole cluster; only the leader tells it."""

    def __init__(self, live: Live, cluster: Cluster, monotonic: Callable[[], float]) -> None:
        self._live = live
        self._cluster = cluster
        self._monotonic = monotonic

    def collect(self) -> Iterable[Metric]:
        now, live = self._monotonic(), self._live
        yield GaugeMetricFamily("pulltrace_pulls_active", "Image pulls that run now.", len(live.running))
        phases = Counter(running.view.pull.phase for running in live.running.values())
        by_phase = GaugeMetricFamily(
            "pulltrace_pulls_in_progress", "Image pulls that run now, by what they do.", labels=["phase"]
        )
        for phase in IN_PROGRESS:
            by_phase.add_metric([phase], phases[phase])
        yield by_phase
        yield GaugeMetricFamily(
            "pulltrace_pulls_stalled", "Downloads of which no byte has come for ten seconds.", live.stalled(now)
        )
        yield GaugeMetricFamily(
            "pulltrace_nodes_failing",
            "Nodes on which a pod waits for an image that cannot be pulled.",
            live.failing_nodes(),
        )
        waiting = GaugeMetricFamily(
            "pulltrace_pods_waiting",
            "Pods that wait for images now, in the namespaces where most do.",
            labels=["namespace"],
        )
        ranked = live.namespaces.most_common()
        for namespace, count in ranked[:MOST_NAMESPACES]:
            waiting.add_metric([namespace], count)
        if rest := sum(count for _, count in ranked[MOST_NAMESPACES:]):
            waiting.add_metric([OTHER], rest)
        yield waiting
        ages = GaugeMetricFamily(
            "pulltrace_node_last_report_age_seconds",
            "Time since a node's Lease last changed; up to 150 s is usual of a node that pulls nothing.",
            labels=["node"],
        )
        for name, node in self._cluster.nodes.items():
            if not node.gone:
                ages.add_metric([name], round(max(0.0, now - node.heard_at), 3))
        yield ages


class Gate(Collector):
    """What another registry has, while `open` says so; brought up to date before it is read."""

    def __init__(self, registry: CollectorRegistry, is_open: Callable[[], bool], catch_up: Callable[[], None]) -> None:
        self._registry = registry
        self._open = is_open
        self._catch_up = catch_up

    def collect(self) -> Iterable[Metric]:
        self._catch_up()
        return self._registry.collect() if self._open() else ()
