"""What is shown of one node, made of all that is known of it. Pure: the same knowledge and time give the same picture.

Nothing of another node is looked at but what the cluster has taught (sizes of images, usual paces), so a change costs
the work of its own node only.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from pulltrace.aggregator.estimates.image_sizes import ImageSizes
from pulltrace.aggregator.estimates.pull_durations import PullDurations
from pulltrace.aggregator.estimates.pull_queue import build_queue, parallel_pulls
from pulltrace.aggregator.estimates.ready_time import times_left
from pulltrace.aggregator.estimates.throughput import Throughput
from pulltrace.aggregator.pods.pending_images import PendingImage, without_completed
from pulltrace.aggregator.pods.pod_index import IndexedPod
from pulltrace.aggregator.rows.correlation import correlate
from pulltrace.aggregator.rows.node_state import NodeState
from pulltrace.aggregator.rows.pod_only_failures import pod_only_failures
from pulltrace.aggregator.rows.pod_rows import ended_view, newest_failures, settled, shown, waiting_view
from pulltrace.pulls.model import Phase
from pulltrace.pulls.view import PodState, PodView, PullView

ENDED_PODS = 300
"""Pods that do not wait any more, kept for each node at most."""
FAR_SECONDS = 5.0
"""A pod that goes when its images need longer than this at the soonest was not started: it was deleted."""


@dataclass(frozen=True, slots=True)
class ClusterHistory:
    """What all nodes together have taught."""

    sizes: ImageSizes = field(default_factory=ImageSizes)
    paces: Throughput = field(default_factory=Throughput)


@dataclass(frozen=True, slots=True)
class NodeRows:
    """One node at one moment."""

    rows: dict[str, PullView]
    pods: dict[str, PodView]
    slots: int
    queued: int
    failing: int
    due_at: float
    """When time alone will change the picture, on the monotonic clock."""


def build_rows(
    node: NodeState,
    pods: Mapping[str, IndexedPod],
    lore: ClusterHistory,
    now: float,
    *,
    events: bool,
    pulled: Collection[str] = (),
) -> NodeRows:
    """`pods`: those on the node that may be waiting; `events`: whether kubelets' Events are heard; `pulled`: the keys
    of those that wait no longer, and of which Events said before that their images were there.
    """
    pulls = node.pulls()
    waits = {key: without_completed(pod.waits, pulls) for key, pod in pods.items()}
    waiting = sorted((wait for each in waits.values() for wait in each), key=lambda wait: wait.key)
    rows = correlate(node.name, pulls, waiting, node.rows, node.slots, events=events)
    if stale := node.stale(now):
        rows = {key: row if row.pull.phase.ended else replace(row, stale=True) for key, row in rows.items()}
    found, look_at = pod_only_failures(node.name, waiting, rows, node.rows, now)
    rows.update(found)
    slots = max(node.slots, parallel_pulls(rows.values()))
    expires_at = math.inf
    if not stale and any(not row.pull.phase.ended for row in rows.values()):
        expires_at = node.expires_at
    queued = 0
    views: dict[str, PodView] = {}
    if pods or node.pods:
        queued, views = _pods(node, pods, waits, rows, lore, now, slots=slots, events=events, pulled=pulled)
    due_at = min(
        look_at,
        expires_at,
        min((until for _, until in node.history.values()), default=math.inf),
        min((view.ended_at for view in views.values() if view.ended_at is not None), default=math.inf)
        + node.history_seconds,
    )
    failing = len({wait.name for wait in waiting if wait.failure is not None})
    return NodeRows(rows, views, slots, queued, failing, due_at)


def _pods(
    node: NodeState,
    pods: Mapping[str, IndexedPod],
    waits: Mapping[str, tuple[PendingImage, ...]],
    rows: Mapping[str, PullView],
    lore: ClusterHistory,
    now: float,
    *,
    slots: int,
    events: bool,
    pulled: Collection[str],
) -> tuple[int, dict[str, PodView]]:
    """How many images are queued, and the pods that are shown."""
    every = [each for each in waits.values() if each]
    present = {name for row in rows.values() if row.pull.phase is Phase.COMPLETED for name in row.pull.names}
    queue = build_queue(every, rows.values(), slots, present, events=events)
    reported_at = node.lease.renewed_at if node.lease is not None else None
    conditions = PullDurations(
        lore.sizes,
        lore.paces.of(node.name, node.report, reported_at, now),
        reported_at,
        max(0.0, now - node.heard_at) if node.alive else 0.0,
        lore.paces.answer_seconds(node.name),
        slots,
        present,
    )
    times = times_left(every, queue, conditions)
    start_seconds = lore.paces.start_seconds(node.name)
    failed = newest_failures(rows.values())
    views: dict[str, PodView] = {}
    for key, pod in pods.items():
        before = node.pods.get(key)
        if before is not None and before.uid != pod.record.uid:
            before = None
        waits_on = before is not None and before.ended_at is None
        # Only the status ends a wait: until it does, the pod goes on waiting, be it for no image by what Events say.
        if (waits_on and pod.record.waiting) or (waits[key] and shown(waits[key], queue)):
            view = waiting_view(pod.record, waits[key], queue, times, failed, now, start_seconds)
            views[key] = settled(before, view)
        elif before is not None and waits_on:
            views[key] = ended_view(before, PodState.GONE if pod.record.ending else PodState.READY, now)
        elif before is not None:
            views[key] = before
    for key, before in node.pods.items():
        if key not in pods:
            ended = before.ended_at is not None
            views[key] = before if ended else ended_view(before, _end(before, now, pulled=key in pulled), now)
    return queue.queued, _recent(views, node.history_seconds, now)


def _end(before: PodView, now: float, *, pulled: bool) -> PodState:
    """What has become of a pod that nobody tells of any more: as a rule, all its containers have been created."""
    if pulled:
        return PodState.READY
    far = before.left is not None and before.left.soonest - (now - before.estimated_at) > FAR_SECONDS
    return PodState.GONE if before.state is PodState.FAILING or far else PodState.READY


def _recent(views: dict[str, PodView], history_seconds: float, now: float) -> dict[str, PodView]:
    """Without the pods whose history has run out, or for which there is no room."""
    kept = {key: view for key, view in views.items() if view.ended_at is None or view.ended_at + history_seconds > now}
    ended = sorted((view.ended_at, key) for key, view in kept.items() if view.ended_at is not None)
    for _, key in ended[: max(0, len(ended) - ENDED_PODS)]:
        del kept[key]
    return kept
