"""What is known of the cluster: the newest report of each node, the pods that wait, and recent history.

Takes watch events and time, and keeps the store's rows in step. Times come as arguments: `now` is this
process's monotonic clock. Clocks of nodes are compared with nothing but themselves.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping

from pulltrace.aggregator.pods.event_attribution import is_possible
from pulltrace.aggregator.pods.kubelet_event_index import in_order, pull_seconds
from pulltrace.aggregator.pods.pod_index import KnownPods
from pulltrace.aggregator.rows.node_rows import Lore, draw
from pulltrace.aggregator.rows.node_state import Node
from pulltrace.aggregator.rows.pod_rows import seconds_to_start
from pulltrace.aggregator.rows.pull_ids import PullIds
from pulltrace.aggregator.state.store import PullStore
from pulltrace.kube.resources.kubelet_events import EventKind, EventRecord
from pulltrace.kube.resources.leases import LeaseRecord
from pulltrace.kube.resources.pending_pods import PodRecord
from pulltrace.kube.watch.watch_events import Gone, Listed, Put, WatchEvent
from pulltrace.log_limiter import LogLimiter
from pulltrace.pulls.lease_format.annotations import decode
from pulltrace.pulls.redaction import redact_names
from pulltrace.pulls.references import full_name
from pulltrace.pulls.view import AnyChange, NodeView

logger = logging.getLogger(__name__)


class Cluster:
    """Feeds the store."""

    def __init__(self, store: PullStore, history_seconds: float, *, wall: Callable[[], float] | None = None) -> None:
        """`wall`: this machine's clock, in Unix seconds; only to refuse times that no clock can show yet."""
        self._wall = wall
        self._store = store
        self._history_seconds = history_seconds
        self._nodes: dict[str, Node] = {}
        self._pods = KnownPods()
        self._ids = PullIds()
        self._lore = Lore()
        self._limiter = LogLimiter()
        self._shown_on: dict[str, str] = {}
        """Of each pod that is shown, the node."""
        self._leases_listed = self._pods_listed = False
        self.reports = 0
        """Lease writes of agents that were seen."""
        self.problems = 0
        """Parts of Leases that could not be read."""
        self.refusals = 0
        """Requests of agents that the API server refused (429) since their Leases were first seen."""
        self.failed_looks = 0
        """Looks of agents at containerd that gave nothing, since their Leases were first seen."""

    @property
    def nodes(self) -> Mapping[str, Node]:
        """Those with an agent, by name."""
        return {name: node for name, node in self._nodes.items() if node.lease is not None}

    @property
    def waiting_pods(self) -> int:
        return self._pods.waiting

    def nodes_now(self, now: float) -> tuple[NodeView, ...]:
        """The nodes with an agent, by name."""
        return tuple(node.view(now) for _, node in sorted(self._nodes.items()) if node.alive)

    def busy(self, now: float) -> tuple[int, int]:
        """How many nodes have an agent that is alive, and on how many of them something is pulled."""
        alive = [node for node in self._nodes.values() if node.alive and not node.stale(now)]
        return len(alive), sum(bool(node.report.pulls) for node in alive)

    def lease_event(self, event: WatchEvent[LeaseRecord], now: float) -> tuple[AnyChange, ...]:
        """Takes in what the watch of Leases says."""
        match event:
            case Listed(items):
                first, self._leases_listed = not self._leases_listed, True
                self._all_listed()
                names = dict.fromkeys(record.name for record in items if self._lease(record, now))
                gone = self._nodes.keys() - {record.name for record in items}
                names.update(dict.fromkeys(name for name in gone if self._node_gone(name, now)))
                if first:  # pods may be on nodes without an agent
                    names.update(dict.fromkeys(self._pods.nodes))
                changes = self._refresh(names, now)
                self._store.mark_synced()
                return changes
            case Put(record):
                return self._refresh((record.name,), now) if self._lease(record, now) else ()
            case Gone(name):
                return self._refresh((name,), now) if self._node_gone(name, now) else ()

    def pod_event(self, event: WatchEvent[PodRecord], now: float) -> tuple[AnyChange, ...]:
        """Takes in what the watch of pods says."""
        match event:
            case Listed(items):
                listed = {pod.key: pod for pod in items}
                changed = {key: listed.get(key) for key in self._pods.changed(listed)}
            case Put(pod):
                changed = {pod.key: pod}
            case Gone(key):
                changed = {key: None}
        nodes: dict[str, None] = {}
        pulled = set()
        for key, record in changed.items():
            if (old := self._pods.get(key)) is not None:
                nodes[old.record.node] = None
                if record is None and old.pulled:
                    pulled.add(key)
            if record is None:
                self._pods.remove(key)
            else:
                self._pods.put(record, now)
        nodes.update(dict.fromkeys(record.node for record in changed.values() if record is not None))
        if isinstance(event, Listed) and not self._pods_listed:
            self._pods_listed = True
            self._all_listed()
        return self._refresh(nodes, now, pulled)

    def watches(self, namespace: str, name: str) -> bool:
        """Whether a pod is among those that are watched."""
        key = f"{namespace}/{name}"
        return self._pods.get(key) is not None and not self._pods.found(key)

    def pod_found(self, pod: PodRecord, now: float) -> tuple[AnyChange, ...]:
        """Takes in a pod that is not watched, because it runs already and needs another image all the same."""
        self._pods.put(pod, now, found=True)
        changes = self._refresh((pod.node,), now)
        return changes if pod.waiting else changes + self.pod_lost(pod.key, now)

    def pod_lost(self, key: str, now: float) -> tuple[AnyChange, ...]:
        """A pod that was found is not to be followed any longer."""
        pod = self._pods.get(key)
        if pod is None or not self._pods.found(key):
            return ()
        self._pods.remove(key)
        return self._refresh((pod.record.node,), now)

    def kubelet_event(self, event: WatchEvent[EventRecord], now: float) -> tuple[AnyChange, ...]:
        """Takes in what the watch of Events says. Events that the API server forgets stay true."""
        match event:
            case Listed(items, whole):
                first = whole and not self._pods.events_listed
                self._pods.events_listed |= whole
                nodes = dict.fromkeys(name for item in in_order(items) for name in self._heard(item, now))
                if first:  # who has not been asked for is not in the queue, as is known now
                    nodes.update(dict.fromkeys(self._pods.nodes))
            case Put(item):
                nodes = dict.fromkeys(self._heard(item, now))
            case Gone():
                return ()
        return self._refresh(nodes, now)

    def tick(self, now: float) -> tuple[AnyChange, ...]:
        """Lets time do its part: Leases expire, history runs out. Call about once a second."""
        for line in self._limiter.flush(now):
            logger.warning(line)
        return self._refresh([name for name, node in self._nodes.items() if node.due_at <= now], now)

    def _all_listed(self) -> None:
        if self._leases_listed and self._pods_listed:
            self._pods.all_listed()

    def _lease(self, record: LeaseRecord, now: float) -> bool:
        """Whether the Lease says anything new."""
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
            node = self._nodes[record.name] = Node(record.name, self._history_seconds)
        if node.lease is not None:
            self.refusals += max(0, report.refused_writes - node.report.refused_writes)
            before = node.report.failed_looks
            self.failed_looks += report.failed_looks - (before if before <= report.failed_looks else 0)
        for pull in node.take(record, self._ids.claim(record.name, report), now):
            self._lore.paces.learn_pull(record.name, pull)
        return True

    def _node_gone(self, name: str, now: float) -> bool:
        node = self._nodes.get(name)
        if node is None or not node.alive:
            return False
        node.lose(now)
        return True

    def _heard(self, event: EventRecord, now: float) -> tuple[str, ...]:
        """The node on which an Event changes something."""
        wall = self._wall() if self._wall is not None else None
        if not is_possible(event, wall, self._clock_of(event.node, now)):
            return ()
        if (pod := self._pods.take(event, now)) is None:
            return ()
        if event.kind is EventKind.PULLED and (seconds := pull_seconds(event.message)) is not None:
            name = pod.record.node
            pulled = self._nodes[name].pulled(full_name(event.image or "")) if name in self._nodes else ()
            self._lore.paces.learn_answer(name, event.namespace, seconds, pulled)
        return (pod.record.node,)

    def _clock_of(self, name: str | None, now: float) -> float | None:
        """The time of a node's own clock, by its last report; None without a report."""
        node = self._nodes.get(name or "")
        if node is None or node.lease is None or node.lease.renewed_at is None:
            return None
        return node.lease.renewed_at + max(0.0, now - node.heard_at)

    def _refresh(self, names: Iterable[str], now: float, pulled: Collection[str] = ()) -> tuple[AnyChange, ...]:
        changes: list[AnyChange] = []
        for name in names:
            pods = self._pods.on(name)
            node = self._nodes.get(name)
            if node is None:
                if not pods or not self._leases_listed:
                    continue
                node = self._nodes[name] = Node(name, self._history_seconds)
            node.expire(now)
            picture = draw(node, pods, self._lore, now, events=self._pods.events_listed, pulled=pulled)
            self._ids.keep(name, picture.rows)
            changes += self._store.replace(node.rows, picture.rows)
            changes += self._store.replace_pods(self._own(node, picture.pods), picture.pods)
            for key, pod in picture.pods.items():
                if (seconds := seconds_to_start(node.pods.get(key), pod)) is not None:
                    self._lore.paces.learn_start(name, pod.namespace, seconds)
            node.rows, node.pods, node.slots = picture.rows, picture.pods, picture.slots
            node.queued, node.failing, node.due_at = picture.queued, picture.failing, picture.due_at
            for row in node.rows.values():
                self._lore.sizes.learn(row)
            if not node.alive and not node.rows and not node.pods and not pods:
                del self._nodes[name]
                self._lore.paces.forget(name)
        return tuple(changes)

    def _own(self, node: Node, pods: Mapping[str, object]) -> list[str]:
        """The pods that were shown on this node; those shown now are taken from the nodes where they were before."""
        before = [key for key in node.pods if self._shown_on.get(key) == node.name]
        for key in node.pods.keys() - pods.keys():
            if self._shown_on.get(key) == node.name:
                del self._shown_on[key]
        for key in pods:
            other = self._shown_on.get(key, node.name)
            if other != node.name and other in self._nodes:
                self._nodes[other].pods.pop(key, None)
            self._shown_on[key] = node.name
        return before
