"""The Prometheus families, fed with the store's changes.

Only the leader serves families of the cluster, so that a sum over the replicas is right; each replica serves families
of its own process. A new leader counts from 0, and only what happens while it leads. A change without a leader (up to
17 s after a crash) is never counted, and no change is counted twice.

Labels are bounded: node, registry (15, the rest is `other`), phase, reason, size, namespace (100). Images, pods and
layers are no labels.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

from pulltrace.aggregator.metrics.active_pulls import ActivePulls
from pulltrace.aggregator.metrics.change_feed import ChangeConsumer, ChangeFeed
from pulltrace.aggregator.metrics.estimate_accuracy import EstimateAccuracy
from pulltrace.aggregator.metrics.gauges import ClusterGauges, LeaderGate, Process, ProcessGauges
from pulltrace.aggregator.metrics.metric_labels import BoundedLabel, registry_of, size_class
from pulltrace.aggregator.metrics.phase_durations import PhaseDurations
from pulltrace.aggregator.rows.pod_only_failures import superseded
from pulltrace.aggregator.state.cluster_state import ClusterState
from pulltrace.aggregator.state.store import PullStore
from pulltrace.kube.resources.leases import LeaseRecord
from pulltrace.kube.watch.reflector import WatchHealth
from pulltrace.kube.watch.watch_events import Upserted
from pulltrace.pulls.failures import Reason
from pulltrace.pulls.model import Phase
from pulltrace.pulls.view import AnyChange, PodState, PodView, PullChange, PullView, Snapshot, Workload

DURATION_BUCKETS_SECONDS = (1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
PHASE_BUCKETS_SECONDS = (1, 5, 15, 60, 300, 1200, 3600)
"""Few, because each registry has four phases."""
ERROR_BUCKETS = (0.05, 0.1, 0.15, 0.25, 0.5, 1)

REASON_SECONDS = 60.0
"""The kubelet may take so long to report why a pull failed. After that the reason counts as unknown."""

# The creation time of each series would double their number.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """All families, in a registry of their own; a `ChangeConsumer`."""

    def __init__(
        self,
        store: PullStore,
        cluster: ClusterState,
        process: Process,
        *,
        consumers: Iterable[ChangeConsumer] = (),
        active: ActivePulls | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        active = active or ActivePulls()
        self.feed = ChangeFeed(store, (active, self, *consumers), monotonic)
        self._cluster = cluster
        self._leading = process.leading
        self._durations = PhaseDurations()
        self._accuracy = EstimateAccuracy()
        self._registry_label = BoundedLabel()
        self._unexplained: dict[str, tuple[PullView, float]] = {}
        """Failed pulls without a reason, and the time of their timeout."""
        self._counts = (0, 0, 0)
        self.registry, counted = CollectorRegistry(), CollectorRegistry()
        self._families(counted)
        counted.register(ClusterGauges(active, cluster, monotonic))
        self.registry.register(ProcessGauges(process, monotonic))
        self.registry.register(LeaderGate(counted, process.leading, self.feed.catch_up))

    def _families(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"pulltrace_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"pulltrace_{name}", text, labels, buckets=buckets, registry=registry)

        self._pulls = counter("pulls_total", "Image pulls.")
        self._errors = counter("pull_errors_total", "Failed image pulls.")
        self._bytes = counter("pull_bytes_total", "Bytes downloaded by pulls.")
        self._reports = counter("agent_reports_total", "Reports of agents.")
        self._problems = counter("lease_decode_errors_total", "Unreadable parts of Leases.")
        self._failed_polls = counter(
            "agent_failed_polls_total", "Failed polls of containerd. The agent polls again a second later."
        )
        self._downloaded = counter("downloaded_bytes_total", "Bytes downloaded from each registry.", "registry")
        self._cached = counter("cached_bytes_total", "Bytes that were present before their pull.")
        self._failures = counter("pull_failures_total", "Failed image pulls by reason.", "reason", "registry")
        self._duration = histogram(
            "pull_duration_seconds",
            "Duration of completed pulls, from the request to the image's record.",
            DURATION_BUCKETS_SECONDS,
        )
        self._phase = histogram(
            "pull_phase_duration_seconds",
            "Duration of the phases of pulls: queue, resolve, download, unpack.",
            PHASE_BUCKETS_SECONDS,
            "phase",
            "registry",
        )
        self._pull_error = histogram(
            "estimate_error_ratio",
            "Relative error of the time left of a pull, as estimated at half of its bytes.",
            ERROR_BUCKETS,
            "size",
        )
        self._pod_error = histogram(
            "ready_estimate_error_ratio",
            "Relative error of the time to ready of a pod, as estimated at a quarter of its wait.",
            ERROR_BUCKETS,
        )

    def add_sample_labels(self) -> None:
        """Give each family with labels a series; for `sample_registry`."""
        self._downloaded.labels("docker.io")
        self._failures.labels(Reason.NOT_FOUND, "docker.io")
        self._phase.labels("download", "docker.io")
        self._pull_error.labels("small")

    def reset(self, snapshot: Snapshot, now: float) -> None:
        """Start from a snapshot: what led to it was counted before."""
        self._durations.reset(snapshot)
        self._accuracy.reset(snapshot)
        self._unexplained.clear()
        self._counts = self._current_counts()

    def apply(self, changes: Iterable[AnyChange], now: float) -> None:
        """Count changes, if this replica leads."""
        changes = tuple(changes)
        durations, errors = self._durations.apply(changes, now), self._accuracy.apply(changes, now)
        before, self._counts = self._counts, self._current_counts()
        if not self._leading():
            self._unexplained.clear()
            return
        self._reports.inc(self._counts[0] - before[0])
        self._problems.inc(self._counts[1] - before[1])
        self._failed_polls.inc(self._counts[2] - before[2])
        counted = superseded(changes)
        for change in changes:
            if not isinstance(change, PullChange):
                continue
            after = change.after
            if change.before is None and after and after.failure and (after.node, after.image) in counted:
                continue  # the agent's late row of a failure that a pod reported first
            self._count(change, now)
        for view in [view for view, until in self._unexplained.values() if until <= now]:
            del self._unexplained[view.id]
            self._count_failure(view, Reason.UNKNOWN)
        for duration in durations:
            self._phase.labels(duration.phase, self._registry_label(duration.registry)).observe(duration.seconds)
        for error in errors:
            histogram = self._pod_error if error.pod else self._pull_error.labels(size_class(error.total_bytes))
            histogram.observe(error.ratio)

    def _current_counts(self) -> tuple[int, int, int]:
        return self._cluster.reports, self._cluster.problems, self._cluster.failed_polls

    def _count(self, change: PullChange, now: float) -> None:
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
            self._count_failure(after, after.failure.reason)

    def _count_failure(self, view: PullView, reason: Reason) -> None:
        self._failures.labels(reason, self._registry_label(registry_of(view))).inc()


def sample_registry() -> CollectorRegistry:
    """Return all families, each with a series that shows its labels: for the documentation and for tests."""
    store = PullStore()
    cluster = ClusterState(store, 60)
    watch = WatchHealth("leases")
    watch.restarts["expired"] += 1
    watch.last_response_at = 0.0
    process = Process(lambda: True, lambda: 0, (watch,), lambda: 5.0)
    metrics = Metrics(store, cluster, process, monotonic=lambda: 0.0)
    cluster.lease_event(Upserted(LeaseRecord("node-1", {}, None, None, None, "1")), 0.0)
    workload = Workload("shop", "Deployment", "web")
    pod = PodView("shop", "web-1", "uid", "node-1", workload, PodState.WAITING, 0.0)
    store.replace_pods((), {pod.id: pod})
    metrics.add_sample_labels()
    return metrics.registry
