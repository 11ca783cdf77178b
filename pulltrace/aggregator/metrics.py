"""The Prometheus families, fed with the store's changes.

The names are those that users of Pulltrace's version 0.1 know. Nothing is labelled by image, pod or
layer: there is no end to those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from pulltrace import __version__
from pulltrace.aggregator.cluster import Cluster
from pulltrace.aggregator.store import PullStore
from pulltrace.pulls.model import Phase
from pulltrace.pulls.view import Change

DURATION_BUCKETS_SECONDS = (1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)


class Metrics:
    """All families, in a registry of their own."""

    def __init__(self, store: PullStore, cluster: Cluster, sse_clients: Callable[[], int]) -> None:
        self.registry = CollectorRegistry()
        self._pulls = Counter("pulltrace_pulls_total", "Image pulls that were seen.", registry=self.registry)
        self._errors = Counter("pulltrace_pull_errors_total", "Image pulls that failed.", registry=self.registry)
        self._bytes = Counter("pulltrace_pull_bytes_total", "Bytes that pulls downloaded.", registry=self.registry)
        self._duration = Histogram(
            "pulltrace_pull_duration_seconds",
            "How long completed pulls took, from the request to the image's record.",
            buckets=DURATION_BUCKETS_SECONDS,
            registry=self.registry,
        )
        build = Gauge("pulltrace_build_info", "The version that runs; always 1.", ["version"], registry=self.registry)
        build.labels(__version__).set(1)
        self.registry.register(_Current(store, cluster, sse_clients))

    def count(self, changes: Iterable[Change]) -> None:
        """Counts what has happened. What was there when the aggregator came up has been counted before."""
        for change in changes:
            before, after = change.before, change.after
            if after is None:
                continue
            if before is None:
                self._pulls.inc()
            self._bytes.inc(max(0, after.pull.downloaded_bytes - (before.pull.downloaded_bytes if before else 0)))
            if after.pull.phase.ended and (before is None or not before.pull.phase.ended):
                if after.pull.phase is Phase.FAILED:
                    self._errors.inc()
                elif after.pull.phase is Phase.COMPLETED and after.pull.ended_at is not None:
                    self._duration.observe(after.pull.ended_at - after.pull.started_at)


class _Current(Collector):
    """What is true now, read when it is asked for."""

    def __init__(self, store: PullStore, cluster: Cluster, sse_clients: Callable[[], int]) -> None:
        self._store = store
        self._cluster = cluster
        self._sse_clients = sse_clients

    def collect(self) -> Iterable[Metric]:
        active = sum(not row.pull.phase.ended for row in self._store.snapshot().pulls.values())
        yield GaugeMetricFamily("pulltrace_pulls_active", "Image pulls that run now.", active)
        yield GaugeMetricFamily("pulltrace_sse_clients_active", "Readers of the event stream.", self._sse_clients())
        yield CounterMetricFamily("pulltrace_agent_reports", "Reports of agents that were read.", self._cluster.reports)
        yield CounterMetricFamily(
            "pulltrace_lease_decode_errors", "Parts of Leases that could not be used.", self._cluster.problems
        )
