"""What is known of the cluster: the newest report of each node, the pods that wait, and recent history.

Takes watch events and time, and keeps the store's rows in step. Times come as arguments: `now` is this
process's monotonic clock. Clocks of nodes are compared with nothing but themselves.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from pulltrace.aggregator.correlation import Wait, correlate, waits
from pulltrace.aggregator.store import PullStore
from pulltrace.kube.leases import Gone, LeaseRecord, Listed, Put, WatchEvent
from pulltrace.kube.pods import PodRecord
from pulltrace.pulls.annotations import decode
from pulltrace.pulls.model import NodeReport, Phase, Pull
from pulltrace.pulls.view import Change, PullView

logger = logging.getLogger(__name__)

DEFAULT_DURATION_SECONDS = 40
"""For a Lease that does not say how long it holds."""
HISTORY_PULLS = 500
"""Ended pulls kept for each node at most."""


@dataclass(slots=True)
class Node:
    """One node, as far as its Lease tells."""

    lease: LeaseRecord
    report: NodeReport
    heard_at: float
    history: dict[str, tuple[Pull, float]] = field(default_factory=dict)
    """Ended pulls, each with the monotonic time at which it is forgotten."""
    rows: dict[str, PullView] = field(default_factory=dict)
    gone: bool = False

    def stale(self, now: float) -> bool:
        """Whether the agent has been silent for longer than it said it would be."""
        return now - self.heard_at > (self.lease.duration_seconds or DEFAULT_DURATION_SECONDS)


class Cluster:
    """Feeds the store."""

    def __init__(self, store: PullStore, history_seconds: float) -> None:
        self._store = store
        self._history_seconds = history_seconds
        self._nodes: dict[str, Node] = {}
        self._pods: dict[str, PodRecord] = {}
        self._pods_by_node: dict[str, set[str]] = {}
        self.reports = 0
        """Lease writes of agents that were seen."""
        self.problems = 0
        """Parts of Leases that could not be read."""
        self.refusals = 0
        """Requests of agents that the API server refused (429) since their Leases were first seen."""

    @property
    def nodes(self) -> dict[str, Node]:
        """By name; not to be changed."""
        return self._nodes

    @property
    def waiting_pods(self) -> int:
        return sum(bool(pod.waiting) for pod in self._pods.values())

    def busy(self, now: float) -> tuple[int, int]:
        """How many nodes have an agent that is alive, and on how many of them something is pulled."""
        alive = [node for node in self._nodes.values() if not node.gone and not node.stale(now)]
        return len(alive), sum(bool(node.report.pulls) for node in alive)

    def lease_event(self, event: WatchEvent[LeaseRecord], now: float) -> tuple[Change, ...]:
        """Takes in what the watch of Leases says."""
        match event:
            case Listed(items):
                changes = [self._lease(record, now) for record in items]
                left = self._nodes.keys() - {record.name for record in items}
                changes += [self._node_gone(name, now) for name in left]
                self._store.mark_synced()
                return tuple(change for part in changes for change in part)
            case Put(record):
                return self._lease(record, now)
            case Gone(name):
                return self._node_gone(name, now)

    def pod_event(self, event: WatchEvent[PodRecord], now: float) -> tuple[Change, ...]:
        """Takes in what the watch of pods says."""
        match event:
            case Listed(items):
                listed = {pod.key: pod for pod in items}
                changed = {key for key in listed.keys() | self._pods.keys() if listed.get(key) != self._pods.get(key)}
                nodes = {pod.node for key in changed for pod in (listed.get(key), self._pods.get(key)) if pod}
                for key in changed:
                    self._put_pod(key, listed.get(key))
            case Put(pod):
                nodes = {pod.node} | {old.node for old in (self._pods.get(pod.key),) if old}
                self._put_pod(pod.key, pod)
            case Gone(key):
                nodes = {old.node for old in (self._pods.get(key),) if old}
                self._put_pod(key, None)
        return self._refresh(nodes, now)

    def tick(self, now: float) -> tuple[Change, ...]:
        """Lets time do its part: Leases expire, history runs out. Call about once a second."""
        due = []
        for name, node in self._nodes.items():
            expired = node.stale(now) and any(not row.stale and not row.pull.phase.ended for row in node.rows.values())
            if expired or any(until <= now for _, until in node.history.values()):
                due.append(name)
        changes = self._refresh(due, now)
        for name in [name for name, node in self._nodes.items() if node.gone and not node.history]:
            del self._nodes[name]
        return changes

    def _lease(self, record: LeaseRecord, now: float) -> tuple[Change, ...]:
        known = self._nodes.get(record.name)
        if known is not None and known.lease.version == record.version and not known.gone:
            return ()
        self.reports += 1
        report = decode(record.annotations)
        if report.problems and (known is None or known.report.problems != report.problems):
            self.problems += len(report.problems)
            logger.warning("Lease of node %r: %s", record.name, "; ".join(report.problems[:3]))
        if known is None:
            known = self._nodes[record.name] = Node(record, report, now)
        else:
            self._close_lost(known, report, now)
            self.refusals += max(0, report.refused_writes - known.report.refused_writes)
        known.lease, known.report, known.heard_at, known.gone = record, report, now, False
        for pull in report.pulls:  # its node knows best: what was closed here has not ended
            known.history.pop(pull.id, None)
        for pull in report.recent:
            seen, _ = known.history.get(pull.id, (None, 0.0))
            if seen is None or (seen.phase is Phase.UNKNOWN and pull.phase is not Phase.UNKNOWN):
                self._remember(known, pull, now)
        return self._refresh((record.name,), now)

    def _close_lost(self, node: Node, report: NodeReport, now: float) -> None:
        """Pulls that ran and are not mentioned any more (an agent without memory) have ended, nobody knows how."""
        mentioned = {pull.id for pull in (*report.pulls, *report.recent)}
        if not report.omitted_pulls:
            self._close((pull for pull in node.report.pulls if pull.id not in mentioned), node, None, now)

    def _node_gone(self, name: str, now: float) -> tuple[Change, ...]:
        node = self._nodes.get(name)
        if node is None or node.gone:
            return ()
        self._close(node.report.pulls, node, "the node is gone", now)
        node.report, node.gone = NodeReport(), True
        return self._refresh((name,), now)

    def _close(self, pulls: Iterable[Pull], node: Node, error: str | None, now: float) -> None:
        for pull in pulls:
            ended = replace(
                pull,
                phase=Phase.UNKNOWN,
                ended_at=pull.progressed_at,
                error=error,
                bytes_per_second=0.0,
                seconds_left=None,
                seconds_left_range=None,
            )
            node.history[pull.id] = ended, now + self._history_seconds

    def _remember(self, node: Node, pull: Pull, now: float) -> None:
        """Keeps an ended pull for as long as is left of its time, by the clock of its node."""
        renewed_at = node.lease.renewed_at or pull.ended_at or 0.0
        age = max(0.0, renewed_at - (pull.ended_at or renewed_at))
        if age < self._history_seconds:
            node.history[pull.id] = pull, now + self._history_seconds - age
        while len(node.history) > HISTORY_PULLS:
            node.history.pop(min(node.history, key=lambda key: node.history[key][1]))

    def _put_pod(self, key: str, pod: PodRecord | None) -> None:
        if (old := self._pods.pop(key, None)) is not None:
            self._pods_by_node[old.node].discard(key)
            if not self._pods_by_node[old.node]:
                del self._pods_by_node[old.node]
        if pod is not None:
            self._pods[key] = pod
            self._pods_by_node.setdefault(pod.node, set()).add(key)

    def _waits(self, node: str) -> tuple[Wait, ...]:
        return waits(self._pods[key] for key in self._pods_by_node.get(node, ()))

    def _refresh(self, names: Iterable[str], now: float) -> tuple[Change, ...]:
        changes: list[Change] = []
        for name in names:
            node = self._nodes.get(name)
            if node is None:
                continue
            for key in [key for key, (_, until) in node.history.items() if until <= now]:
                del node.history[key]
            running = [pull for pull in node.report.pulls if pull.id not in node.history]
            ended = [pull for pull, _ in node.history.values()]
            rows = correlate(name, [*running, *ended], self._waits(name), node.rows)
            # A node speaks for itself only: an id that is on another node already is not its own.
            rows = {key: row for key, row in rows.items() if key in node.rows or not self._store.has(key)}
            if node.stale(now):
                rows = {key: row if row.pull.phase.ended else replace(row, stale=True) for key, row in rows.items()}
            changes.extend(self._store.replace(node.rows, rows))
            node.rows = rows
        return tuple(changes)
