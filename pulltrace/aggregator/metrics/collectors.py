"""The Prometheus families, fed with the store's changes.

Only the leader tells what is true of the cluster, so that a sum over the replicas is right; what is true of a
process, each replica tells. A replica that comes to lead counts from 0, and only what happens while it leads: what
happened while nobody did (up to 17 s after a crash) is counted by nobody, and nothing is counted twice.

Labels have an end: node, registry (15, the rest is `other`), phase, reason, size, namespace (100). Nothing is labelled by image, pod or layer.
The families without labels are those that users of Pulltrace's version 0.1 know.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

from pulltrace.aggregator.metrics.active_pulls import Live
from pulltrace.aggregator.metrics.estimate_accuracy import Scoring
from pulltrace.aggregator.metrics.gauges import ClusterGauges, Gate, Process, ProcessGauges
from pulltrace.aggregator.metrics.metric_labels import Bounded, registry_of, size_class
from pulltrace.aggregator.metrics.phase_durations import Durations
from pulltrace.aggregator.rows.pod_only_failures import superseded
from pulltrace.aggregator.state.change_feed import Account, Taker
from pulltrace.aggregator.state.cluster_state import Cluster
from pulltrace.aggregator.state.store import PullStore
from pulltrace.kube.resources.leases import LeaseRecord
from pulltrace.kube.watch.reflector import WatchHealth
from pulltrace.kube.watch.watch_events import Put
from pulltrace.pulls.failures import Reason
from pulltrace.pulls.model import Phase
from pulltrace.pulls.view import AnyChange, Change, PodState, PodView, PullView, Snapshot, Workload

DURATION_BUCKETS_SECONDS = (1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
PHASE_BUCKETS_SECONDS = (1, 5, 15, 60, 300, 1200, 3600)
"""Few, because there are four phases of each registry."""
ERROR_BUCKETS = (0.05, 0.1, 0.15, 0.25, 0.5, 1)

REASON_SECONDS = 60.0
"""How long the kubelet may take to say why a pull has failed; after that the reason is counted as unknown."""

# A series that says when each other series was made: twice as many, and nobody asks for them.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """All families, in a registry of their own."""

    def __init__(
        self,
        store: PullStore,
        cluster: Cluster,
        process: Process,
        *,
        takers: Iterable[Taker] = (),
        live: Live | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        live = live or Live()
        self.account = Account(store, (live, self, *takers), monotonic)
        self._cluster = cluster
        self._leading = process.leading
        self._durations = Durations()
        self._scoring = Scoring()
        self._registry_label = Bounded()
        self._unexplained: dict[str, tuple[PullView, float]] = {}
        """Failed pulls whose reason has not been told, and until when it is waited for."""
        self._seen = (0, 0, 0)
        self.registry, counted = CollectorRegistry(), CollectorRegistry()
        self._families(counted)
        counted.register(ClusterGauges(live, cluster, monotonic))
        self.registry.register(ProcessGauges(process, monotonic))
        self.registry.register(Gate(counted, process.leading, self.account.catch_up))

    def _families(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"pulltrace_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"pulltrace_{name}", text, labels, buckets=buckets, registry=registry)

        self._pulls = counter("pulls_total", "Image pulls that were seen.")
        self._errors = counter("pull_errors_total", "Image pulls that failed.")
        self._bytes = counter("pull_bytes_total", "Bytes that pulls downloaded.")
        self._reports = counter("agent_reports_total", "Reports of agents that were read.")
        self._problems = counter("lease_decode_errors_total", "Parts of Leases that could not be used.")
        self._failed_looks = counter(
            "containerd_failed_looks_total",
            "Looks of agents at containerd that gave nothing; what was known before stays, and the next look comes a second later.",
        )
        self._downloaded = counter("downloaded_bytes_total", "Bytes that came from each registry.", "registry")
        self._cached = counter("cached_bytes_total", "Bytes that pulls found on their nodes, and did not download.")
        self._failures = counter(
            "pull_failures_total", "Image pulls that failed, by the class of the reason.", "reason", "registry"
        )
        self._duration = histogram(
            "pull_duration_seconds",
            "How long completed pulls took, from the request to the image's record.",
            DURATION_BUCKETS_SECONDS,
        )
        self._phase = histogram(
            "pull_phase_duration_seconds",
            "How long the phases of pulls took: queue, resolve, download, unpack.",
            PHASE_BUCKETS_SECONDS,
            "phase",
            "registry",
        )
        self._pull_error = histogram(
            "estimate_error_ratio",
            "Error of the time left that was told when half of a pull's bytes had come, as a share of the real one.",
            ERROR_BUCKETS,
            "size",
        )
        self._pod_error = histogram(
            "ready_estimate_error_ratio",
            "Error of the time to ready that was told when a quarter of a pod's wait was over, as a share of the real one.",
            ERROR_BUCKETS,
        )

    def show_labels(self) -> None:
        """Gives each family with labels a series; for `sample_registry`."""
        self._downloaded.labels("docker.io")
        self._failures.labels(Reason.NOT_FOUND, "docker.io")
        self._phase.labels("download", "docker.io")
        self._pull_error.labels("small")

    def begin(self, snapshot: Snapshot, now: float) -> None:
        """What is there has happened, and was counted, before."""
        self._durations.begin(snapshot)
        self._scoring.begin(snapshot)
        self._unexplained.clear()
        self._seen = self._seen_now()

    def take(self, changes: Iterable[AnyChange], now: float) -> None:
        """Counts what has happened, where this replica leads."""
        changes = tuple(changes)
        durations, scores = self._durations.take(changes, now), self._scoring.take(changes, now)
        seen, self._seen = self._seen, self._seen_now()
        if not self._leading():
            self._unexplained.clear()
            return
        self._reports.inc(self._seen[0] - seen[0])
        self._problems.inc(self._seen[1] - seen[1])
        self._failed_looks.inc(self._seen[2] - seen[2])
        told = superseded(changes)
        for change in changes:
            if not isinstance(change, Change):
                continue
            after = change.after
            if change.before is None and after and after.failure and (after.node, after.image) in told:
                continue  # the same failure, whose own row comes late
            self._count(change, now)
        for view in [view for view, until in self._unexplained.values() if until <= now]:
            del self._unexplained[view.id]
            self._failed(view, Reason.UNKNOWN)
        for duration in durations:
            self._phase.labels(duration.phase, self._registry_label(duration.registry)).observe(duration.seconds)
        for score in scores:
            histogram = self._pod_error if score.pod else self._pull_error.labels(size_class(score.total_bytes))
            histogram.observe(score.ratio)

    def _seen_now(self) -> tuple[int, int, int]:
        return self._cluster.reports, self._cluster.problems, self._cluster.failed_looks

    def _count(self, change: Change, now: float) -> None:
        before, after = change.before, change.after
        if after is None:
            return
        if before is None:
            self._pulls.inc()
        if more := max(0, after.pull.downloaded_bytes - (before.pull.downloaded_bytes if before else 0)):
            self._bytes.inc(more)
            self._downloaded.labels(self._registry_label(registry_of(after))).inc(more)
        self._cached.inc(max(0, after.pull.cached_bytes - (before.pull.cached_bytes if before else 0)))
        if after.pull.phase.ended and (before is None or not before.pull.phase.ended):
            if after.pull.phase is Phase.FAILED:
                self._errors.inc()
                self._unexplained[after.id] = after, now + REASON_SECONDS
            elif after.pull.phase is Phase.COMPLETED and after.pull.ended_at is not None:
                self._duration.observe(after.pull.ended_at - after.pull.started_at)
        if after.failure is not None and self._unexplained.pop(after.id, None) is not None:
            self._failed(after, after.failure.reason)

    def _failed(self, view: PullView, reason: Reason) -> None:
        self._failures.labels(reason, self._registry_label(registry_of(view))).inc()


def sample_registry() -> CollectorRegistry:
    """All families, each with a series that shows its labels: for the documentation, and for whoever asks whether a
    name exists.
    """
    store = PullStore()
    cluster = Cluster(store, 60)
    watch = WatchHealth("leases")
    watch.restarts["expired"] += 1
    watch.last_response_at = 0.0
    process = Process(lambda: True, lambda: 0, (watch,), lambda: 5.0)
    metrics = Metrics(store, cluster, process, monotonic=lambda: 0.0)
    cluster.lease_event(Put(LeaseRecord("node-1", {}, None, None, None, "1")), 0.0)
    workload = Workload("shop", "Deployment", "web")
    pod = PodView("shop", "web-1", "uid", "node-1", workload, PodState.WAITING, 0.0)
    store.replace_pods((), {pod.id: pod})
    metrics.show_labels()
    return metrics.registry
