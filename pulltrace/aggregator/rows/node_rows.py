"""All rows of one node. Pure: the same state and time give the same rows.

Other nodes only count through the cluster's history (sizes of images, throughput), so a change costs the work of its own
node only.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from pulltrace.aggregator.estimates.image_sizes import ImageSizes
from pulltrace.aggregator.estimates.pull_durations import PullDurations
from pulltrace.aggregator.estimates.pull_queue import build_queue, parallel_pulls
from pulltrace.aggregator.estimates.ready_time import image_times
from pulltrace.aggregator.estimates.throughput import Throughput
from pulltrace.aggregator.pods.pending_images import PendingImage, without_completed
from pulltrace.aggregator.pods.pod_index import IndexedPod
from pulltrace.aggregator.rows.correlation import correlate
from pulltrace.aggregator.rows.node_state import NodeRows, NodeState
from pulltrace.aggregator.rows.pod_only_failures import pod_only_rows
from pulltrace.aggregator.rows.pod_rows import ended_row, is_waiting, newest_failures, unless_unchanged, waiting_row
from pulltrace.pulls.model import Phase
from pulltrace.pulls.view import PodState, PodView, PullView

MAX_ENDED_PODS = 300
"""Pods kept for each node after their wait."""
DELETED_SECONDS = 5.0
"""A pod that leaves when its images need at least this long has not started: it was deleted."""


@dataclass(frozen=True, slots=True)
class ClusterHistory:
    """Figures learned from all nodes."""

    sizes: ImageSizes = field(default_factory=ImageSizes)
    throughput: Throughput = field(default_factory=Throughput)


def build_rows(
    node: NodeState,
    pods: Mapping[str, IndexedPod],
    history: ClusterHistory,
    now: float,
    *,
    events: bool,
    pulled: Collection[str] = (),
) -> NodeRows:
    """Build the rows of a node.

    `pods`: those on the node that may be waiting. `events`: whether Events are watched. `pulled`: keys of pods that
    have left the watch, and whose images Events reported as present before.
    """
    pulls = node.pulls()
    pending = {key: without_completed(pod.pending, pulls) for key, pod in pods.items()}
    images = sorted((image for each in pending.values() for image in each), key=lambda image: image.key)
    rows = correlate(node.name, pulls, images, node.rows.pulls, node.rows.slots, events=events)
    if stale := node.stale(now):
        rows = {key: row if row.pull.phase.ended else replace(row, stale=True) for key, row in rows.items()}
    found, pod_only_at = pod_only_rows(node.name, images, rows, node.rows.pulls, now)
    rows.update(found)
    slots = max(node.rows.slots, parallel_pulls(rows.values()))
    expires_at = math.inf
    if not stale and any(not row.pull.phase.ended for row in rows.values()):
        expires_at = node.expires_at
    queued = 0
    views: dict[str, PodView] = {}
    if pods or node.rows.pods:
        queued, views = _pod_rows(node, pods, pending, rows, history, now, slots=slots, events=events, pulled=pulled)
    changes_at = min(
        pod_only_at,
        expires_at,
        min((until for _, until in node.history.values()), default=math.inf),
        min((view.ended_at for view in views.values() if view.ended_at is not None), default=math.inf)
        + node.history_seconds,
    )
    failing = len({image.name for image in images if image.failure is not None})
    return NodeRows(rows, views, slots, queued, failing, changes_at)


def _pod_rows(
    node: NodeState,
    pods: Mapping[str, IndexedPod],
    pending: Mapping[str, tuple[PendingImage, ...]],
    rows: Mapping[str, PullView],
    history: ClusterHistory,
    now: float,
    *,
    slots: int,
    events: bool,
    pulled: Collection[str],
) -> tuple[int, dict[str, PodView]]:
    """Return the number of queued images, and the rows of pods."""
    every = [images for images in pending.values() if images]
    present = {name for row in rows.values() if row.pull.phase is Phase.COMPLETED for name in row.pull.names}
    queue = build_queue(every, rows.values(), slots, present, events=events)
    reported_at = node.lease.renewed_at if node.lease is not None else None
    durations = PullDurations(
        history.sizes,
        history.throughput.seconds_per_byte(node.name, node.report, reported_at, now),
        reported_at,
        max(0.0, now - node.last_report_at) if node.alive else 0.0,
        history.throughput.answer_seconds(node.name),
        slots,
        present,
    )
    times = image_times(every, queue, durations)
    start_seconds = history.throughput.start_seconds(node.name)
    failed = newest_failures(rows.values())
    views: dict[str, PodView] = {}
    for key, pod in pods.items():
        before = node.rows.pods.get(key)
        if before is not None and before.uid != pod.record.uid:
            before = None
        waited = before is not None and before.state.pending
        # Only the status ends a wait: until it does, the pod goes on waiting, even without a pending image by Events.
        if (waited and pod.record.waiting) or (pending[key] and is_waiting(pending[key], queue)):
            view = waiting_row(pod.record, pending[key], queue, times, failed, now, start_seconds)
            views[key] = unless_unchanged(before, view)
        elif before is not None and waited:
            views[key] = ended_row(before, PodState.GONE if pod.record.ending else PodState.READY, now)
        elif before is not None:
            views[key] = before
    for key, before in node.rows.pods.items():
        if key not in pods:
            views[key] = (
                ended_row(before, _end(before, now, pulled=key in pulled), now) if before.state.pending else before
            )
    return queue.queued, _recent(views, node.history_seconds, now)


def _end(before: PodView, now: float, *, pulled: bool) -> PodState:
    """Return the end of a pod that has left the watch: as a rule, all its containers have been created."""
    if pulled:
        return PodState.READY
    early = before.left is not None and before.left.soonest - (now - before.estimated_at) > DELETED_SECONDS
    return PodState.GONE if before.state is PodState.FAILING or early else PodState.READY


def _recent(views: dict[str, PodView], history_seconds: float, now: float) -> dict[str, PodView]:
    """Return the pods without those that are too old or too many."""
    kept = {key: view for key, view in views.items() if view.ended_at is None or view.ended_at + history_seconds > now}
    ended = sorted((view.ended_at, key) for key, view in kept.items() if view.ended_at is not None)
    for _, key in ended[: max(0, len(ended) - MAX_ENDED_PODS)]:
        del kept[key]
    return kept
