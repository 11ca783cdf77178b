"""Rows of pods with the images that they wait for, from a node's pending images, queue and estimates. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from pulltrace.aggregator.estimates.pull_queue import PullQueue, QueuePlace
from pulltrace.aggregator.estimates.ready_time import time_to_start
from pulltrace.aggregator.pods.pending_images import PendingImage
from pulltrace.kube.resources.pending_pods import PodRecord
from pulltrace.pulls.time_left import TimeLeft
from pulltrace.pulls.view import ImageNeed, NeedState, PodState, PodView, PullView

UNCHANGED_SECONDS = 0.5
UNCHANGED_FRACTION = 0.05
"""An estimate that moved by less than both, apart from the time that has passed, is unchanged."""


def is_waiting(images: Sequence[PendingImage], queue: PullQueue) -> bool:
    """Return whether a pod certainly waits for an image: one is requested, is being pulled, or has failed.

    The kubelet may also create the pod slowly for another reason (a volume, the network).
    """
    places = [queue.places[image.key] for image in images]
    return any(place.requested or place.pulling for place in places) or any(
        image.failure is not None for image in images
    )


def waiting_row(
    record: PodRecord,
    images: Sequence[PendingImage],
    queue: PullQueue,
    times: Mapping[str, TimeLeft | None],
    failed: Mapping[str, PullView],
    now: float,
    start_seconds: float,
) -> PodView:
    """Return the row of a waiting pod.

    `failed`: the newest failed row of each image of the node, by name. `start_seconds`: from a pod's last image to its
    start, on this node.
    """
    needs = tuple(_need(image, queue.places[image.key], times.get(image.key), failed) for image in images)
    failing = any(need.failure is not None for need in needs)
    return PodView(
        record.namespace,
        record.name,
        record.uid,
        record.node,
        record.workload,
        PodState.FAILING if failing else PodState.WAITING,
        estimated_at=now,
        waiting_since=record.started_at,
        needs=needs,
        more_needs=record.more_waiting,
        left=None if record.more_waiting else time_to_start([need.left for need in needs], start_seconds),
    )


def seconds_to_start(before: PodView | None, after: PodView) -> float | None:
    """Return how long a pod took to start after Events reported its last image; None unless it has just started."""
    if before is None or before.state is not PodState.WAITING or before.needs or after.state is not PodState.READY:
        return None
    return after.estimated_at - before.estimated_at


def ended_row(before: PodView, state: PodState, now: float) -> PodView:
    """Return the row of a pod after its wait."""
    return replace(before, state=state, estimated_at=now, needs=(), more_needs=0, left=None, ended_at=now)


def newest_failures(rows: Iterable[PullView]) -> dict[str, PullView]:
    """Return the newest failed row of each image, by name."""
    found: dict[str, PullView] = {}
    for row in rows:
        if row.failure is not None and row.image is not None:
            other = found.get(row.image)
            if other is None or other.pull.started_at <= row.pull.started_at:
                found[row.image] = row
    return found


def unless_unchanged(before: PodView | None, after: PodView) -> PodView:
    """Return `after`; or `before`, where only time has passed. Clients count estimates down."""
    if before is None or len(before.needs) != len(after.needs):
        return after
    if not after.needs and before.state is after.state and before.more_needs == after.more_needs:
        return before  # it starts: its estimate counts down
    passed = after.estimated_at - before.estimated_at
    same = (
        before.state is after.state
        and before.waiting_since == after.waiting_since
        and before.workload == after.workload
        and before.more_needs == after.more_needs
        and _same_time(before.left, after.left, passed)
        and all(_same_need(*pair, passed) for pair in zip(before.needs, after.needs))
    )
    return before if same else after


def _same_need(before: ImageNeed, after: ImageNeed, passed: float) -> bool:
    return (
        before.state is after.state
        and before.pull_id == after.pull_id
        and before.container == after.container
        and before.image == after.image
        and before.behind == after.behind
        and before.failure == after.failure
        and _same_time(before.left, after.left, passed)
    )


def _same_time(before: TimeLeft | None, after: TimeLeft | None, passed: float) -> bool:
    if before is None or after is None:
        return before is after
    if (before.latest is None) is not (after.latest is None):
        return False
    allowed = max(UNCHANGED_SECONDS, UNCHANGED_FRACTION * after.likely)
    bounds = max(UNCHANGED_SECONDS, 2 * UNCHANGED_FRACTION * (after.latest or after.likely))
    return (
        abs(before.likely - passed - after.likely) <= allowed
        and abs(max(0.0, before.soonest - passed) - after.soonest) <= bounds
        and (before.latest is None or abs(before.latest - passed - (after.latest or 0.0)) <= bounds)
    )


def _need(image: PendingImage, place: QueuePlace, left: TimeLeft | None, failed: Mapping[str, PullView]) -> ImageNeed:
    row = place.row
    if place.pulling:
        state = NeedState.PULLING
    elif place.requested:
        state = NeedState.QUEUED
    elif image.failure is not None:
        state = NeedState.FAILED
        row = failed.get(image.name)
    else:
        state = NeedState.NEEDED
    return ImageNeed(
        image.container.container,
        image.role.value,
        image.container.image,
        state,
        row.id if row is not None else None,
        place.behind,
        left,
        image.failure,
    )
