"""The cluster's state: the last report of each node, the waiting pods, and recent history.

Applies watch events and time, and keeps the store's rows up to date. Times are arguments: `now` is this process's
monotonic clock. A node's clock is only compared with itself.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping

from pulltrace.aggregator.pods.event_attribution import is_possible
from pulltrace.aggregator.pods.image_pull_status import event_pull_seconds, in_order
from pulltrace.aggregator.pods.pod_index import PodIndex
from pulltrace.aggregator.rows.node_rows import ClusterHistory, build_rows
from pulltrace.aggregator.rows.node_state import NodeState
from pulltrace.aggregator.rows.pod_rows import seconds_to_start
from pulltrace.aggregator.state.store import PullStore
from pulltrace.kube.resources.kubelet_events import EventKind, KubeletEvent
from pulltrace.kube.resources.leases import LeaseRecord
from pulltrace.kube.resources.pending_pods import PodRecord
from pulltrace.kube.watch.watch_events import Deleted, Replaced, Upserted, WatchEvent
from pulltrace.log_limiter import LogLimiter
from pulltrace.pulls.lease_format.annotations import decode
from pulltrace.pulls.redaction import redact_names
from pulltrace.pulls.references import full_name
from pulltrace.pulls.view import NodeView

logger = logging.getLogger(__name__)


class ClusterState:
    """Keeps the store's rows up to date."""

    def __init__(self, store: PullStore, history_seconds: float, *, wall: Callable[[], float] | None = None) -> None:
        """`wall`: this machine's clock, in Unix seconds; only to refuse Events from the future."""
        self._wall = wall
        self._store = store
        self._history_seconds = history_seconds
        self._nodes: dict[str, NodeState] = {}
        self._pods = PodIndex()
        self._history = ClusterHistory()
        self._limiter = LogLimiter()
        self._leases_listed = self._pods_listed = False
        self.reports = 0
        """Lease writes of agents."""
        self.problems = 0
        """Parts of Leases that could not be read."""
        self.refusals = 0
        """Requests of agents that the API server refused (429) since their Leases were first seen."""
        self.failed_polls = 0
        """Failed polls of containerd since the agents' Leases were first seen."""

    @property
    def nodes(self) -> Mapping[str, NodeState]:
        """Nodes with an agent, by name."""
        return {name: node for name, node in self._nodes.items() if node.lease is not None}

    @property
    def waiting_pods(self) -> int:
        return self._pods.waiting

    def node_views(self, now: float) -> tuple[NodeView, ...]:
        """Return the nodes with an agent, by name."""
        return tuple(node.view(now) for _, node in sorted(self._nodes.items()) if node.alive)

    def live_nodes(self, now: float) -> tuple[int, int]:
        """Return the number of nodes whose agent is not stale, and how many of them pull."""
        live = [node for node in self._nodes.values() if node.alive and not node.stale(now)]
        return len(live), sum(bool(node.report.pulls) for node in live)

    def lease_event(self, event: WatchEvent[LeaseRecord], now: float) -> None:
        """Apply an event of the watch of Leases."""
        match event:
            case Replaced(items):
                first, self._leases_listed = not self._leases_listed, True
                self._mark_listed()
                names = dict.fromkeys(record.name for record in items if self._apply_lease(record, now))
                gone = self._nodes.keys() - {record.name for record in items}
                names.update(dict.fromkeys(name for name in gone if self._mark_gone(name, now)))
                if first:  # pods may be on nodes without an agent
                    names.update(dict.fromkeys(self._pods.nodes))
                self._refresh(names, now)
                self._store.mark_synced()
            case Upserted(record):
                if self._apply_lease(record, now):
                    self._refresh((record.name,), now)
            case Deleted(name):
                if self._mark_gone(name, now):
                    self._refresh((name,), now)

    def pod_event(self, event: WatchEvent[PodRecord], now: float) -> None:
        """Apply an event of the watch of pods."""
        match event:
            case Replaced(items):
                listed = {pod.key: pod for pod in items}
                changed = {key: listed.get(key) for key in self._pods.changed(listed)}
            case Upserted(pod):
                changed = {pod.key: pod}
            case Deleted(key):
                changed = {key: None}
        nodes: dict[str, None] = {}
        pulled = set()
        for key, record in changed.items():
            if (old := self._pods.get(key)) is not None:
                nodes[old.record.node] = None
                if record is None and old.all_pulled:
                    pulled.add(key)
            if record is None:
                self._pods.remove(key)
            else:
                self._pods.put(record, now)
        nodes.update(dict.fromkeys(record.node for record in changed.values() if record is not None))
        if isinstance(event, Replaced) and not self._pods_listed:
            self._pods_listed = True
            self._mark_listed()
        self._refresh(nodes, now, pulled)

    def watches(self, namespace: str, name: str) -> bool:
        """Return whether the watch reports a pod."""
        key = f"{namespace}/{name}"
        return self._pods.get(key) is not None and not self._pods.is_polled(key)

    def put_polled_pod(self, pod: PodRecord, now: float) -> None:
        """Add or update a pod that runs already, so the watch does not report it, and waits for another image."""
        self._pods.put(pod, now, polled=True)
        self._refresh((pod.node,), now)
        if not pod.waiting:
            self.remove_polled_pod(pod.key, now)

    def remove_polled_pod(self, key: str, now: float) -> None:
        pod = self._pods.get(key)
        if pod is not None and self._pods.is_polled(key):
            self._pods.remove(key)
            self._refresh((pod.record.node,), now)

    def kubelet_event(self, event: WatchEvent[KubeletEvent], now: float) -> None:
        """Apply an event of the watch of Events. An Event that the API server deletes still holds."""
        match event:
            case Replaced(items, whole):
                first = whole and not self._pods.events_listed
                self._pods.events_listed |= whole
                nodes = dict.fromkeys(name for item in in_order(items) for name in self._apply_event(item, now))
                if first:  # images without a request are now known not to be queued
                    nodes.update(dict.fromkeys(self._pods.nodes))
            case Upserted(item):
                nodes = dict.fromkeys(self._apply_event(item, now))
            case Deleted():
                return
        self._refresh(nodes, now)

    def is_possible(self, event: KubeletEvent, now: float) -> bool:
        """Return whether the time of an Event is possible, by its node's clock and this machine's."""
        wall = self._wall() if self._wall is not None else None
        return is_possible(event, wall, self._clock_of(event.node, now))

    def tick(self, now: float) -> None:
        """Apply time: Leases expire, history is deleted. Call about once a second."""
        for line in self._limiter.flush(now):
            logger.warning(line)
        self._refresh([name for name, node in self._nodes.items() if node.rows.changes_at <= now], now)

    def _mark_listed(self) -> None:
        if self._leases_listed and self._pods_listed:
            self._pods.mark_listed()

    def _apply_lease(self, record: LeaseRecord, now: float) -> bool:
        """Apply a Lease. Return whether it is new."""
        node = self._nodes.get(record.name)
        if node is not None and node.lease is not None and node.lease.version == record.version and not node.gone:
            return False
        self.reports += 1
        report = redact_names(decode(record.annotations))
        if report.problems and (node is None or node.report.problems != report.problems):
            self.problems += len(report.problems)
            if line := self._limiter.admit(
                record.name, f"Lease of node {record.name!r}: {'; '.join(report.problems[:3])}", now
            ):
                logger.warning(line)
        if node is None:
            node = self._nodes[record.name] = NodeState(record.name, self._history_seconds)
        if node.lease is not None:
            self.refusals += max(0, report.refused_writes - node.report.refused_writes)
            before = node.report.failed_polls
            self.failed_polls += report.failed_polls - (before if before <= report.failed_polls else 0)
        for pull in node.apply_report(record, report, now):
            self._history.throughput.learn_pull(record.name, pull)
        return True

    def _mark_gone(self, name: str, now: float) -> bool:
        node = self._nodes.get(name)
        if node is None or not node.alive:
            return False
        node.mark_gone(now)
        return True

    def _apply_event(self, event: KubeletEvent, now: float) -> tuple[str, ...]:
        """Apply an Event. Return the node that it changes."""
        if not self.is_possible(event, now):
            return ()
        if (pod := self._pods.apply_event(event, now)) is None:
            return ()
        if event.kind is EventKind.PULLED and (seconds := event_pull_seconds(event.message)) is not None:
            name = pod.record.node
            completed = self._nodes[name].completed_pulls(full_name(event.image or "")) if name in self._nodes else ()
            self._history.throughput.learn_answer(name, event.namespace, seconds, completed)
        return (pod.record.node,)

    def _clock_of(self, name: str | None, now: float) -> float | None:
        """Return the time of a node's own clock, by its last report; None without a report."""
        node = self._nodes.get(name or "")
        if node is None or node.lease is None or node.lease.renewed_at is None:
            return None
        return node.lease.renewed_at + max(0.0, now - node.last_report_at)

    def _refresh(self, names: Iterable[str], now: float, pulled: Collection[str] = ()) -> None:
        for name in names:
            pods = self._pods.on_node(name)
            node = self._nodes.get(name)
            if node is None:
                if not pods or not self._leases_listed:
                    continue
                node = self._nodes[name] = NodeState(name, self._history_seconds)
            node.expire(now)
            before = node.rows
            rows = build_rows(node, pods, self._history, now, events=self._pods.events_listed, pulled=pulled)
            for key in [key for key in rows.pulls if self._store.node_of(key, name) != name]:
                del rows.pulls[key]  # a hash that collides with another node's row
            for key in rows.pods:
                if (other := self._store.node_of(key, name)) != name and other in self._nodes:
                    self._nodes[other].rows.pods.pop(key, None)  # a new pod with its name is on this node
            node.rows = rows
            self._store.replace_pulls(before.pulls, rows.pulls)
            self._store.replace_pods(before.pods, rows.pods)
            for key, pod in rows.pods.items():
                if (seconds := seconds_to_start(before.pods.get(key), pod)) is not None:
                    self._history.throughput.learn_start(name, pod.namespace, seconds)
            for row in rows.pulls.values():
                self._history.sizes.learn(row)
            if not node.alive and not rows.pulls and not rows.pods and not pods:
                del self._nodes[name]
                self._history.throughput.forget(name)
