"""Pods and what they wait for, as they are shown: from the waits of a node, its queue and its estimates. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from pulltrace.aggregator.estimates.pull_queue import PullQueue, QueuePlace
from pulltrace.aggregator.estimates.ready_time import together
from pulltrace.aggregator.pods.pending_images import PendingImage
from pulltrace.kube.resources.pending_pods import PodRecord
from pulltrace.pulls.view import ImageNeed, NeedState, PodState, PodView, PullView, TimeLeft

SAME_SECONDS = 0.5
SAME_FRACTION = 0.05
"""An estimate that has moved by less than both, apart from the time that has passed, is no news to anybody."""


def shown(waits: Sequence[PendingImage], queue: PullQueue) -> bool:
    """Whether a pod waits for an image for certain: one is asked for, is being pulled, or has failed. A pod that is
    being created for another reason (a volume, the network) is none that waits.
    """
    places = [queue.places[wait.key] for wait in waits]
    return any(place.asked or place.pulling for place in places) or any(wait.failure is not None for wait in waits)


def waiting_view(
    record: PodRecord,
    waits: Sequence[PendingImage],
    queue: PullQueue,
    times: Mapping[str, TimeLeft | None],
    failed: Mapping[str, PullView],
    now: float,
    start_seconds: float,
) -> PodView:
    """A pod with what it still waits for. `failed`: the newest failed row of each image of the node, by name;
    `start_seconds`: from a pod's last image to its start, on this node.
    """
    needs = tuple(_need(wait, queue.places[wait.key], times.get(wait.key), failed) for wait in waits)
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
        left=None if record.more_waiting else _started(_images_left(needs), start_seconds),
    )


def _images_left(needs: Sequence[ImageNeed]) -> TimeLeft | None:
    """Time until all images are present. Without needs, Events report them all, and the status confirms it in a moment."""
    return together([need.left for need in needs]) if needs else TimeLeft(0.0, 0.0, 0.0)


def _started(left: TimeLeft | None, start_seconds: float) -> TimeLeft | None:
    """Until the pod runs, from the time until its images are there."""
    if left is None:
        return None
    latest = left.latest + start_seconds if left.latest is not None else None
    return TimeLeft(left.likely + start_seconds, left.soonest, latest)


def seconds_to_start(before: PodView | None, after: PodView) -> float | None:
    """How long a pod took to start after Events had reported its last image; None unless it has just started."""
    if before is None or before.state is not PodState.WAITING or before.needs or after.state is not PodState.READY:
        return None
    return after.estimated_at - before.estimated_at


def ended_view(before: PodView, state: PodState, now: float) -> PodView:
    """A pod that does not wait any more."""
    return replace(before, state=state, estimated_at=now, needs=(), more_needs=0, left=None, ended_at=now)


def newest_failures(rows: Iterable[PullView]) -> dict[str, PullView]:
    """The newest failed row of each image, by name."""
    found: dict[str, PullView] = {}
    for row in rows:
        if row.failure is not None and row.image is not None:
            other = found.get(row.image)
            if other is None or other.pull.started_at <= row.pull.started_at:
                found[row.image] = row
    return found


def settled(before: PodView | None, after: PodView) -> PodView:
    """`after`; or `before`, where only time has passed. Estimates count down by themselves."""
    if before is None or len(before.needs) != len(after.needs):
        return after
    if not after.needs and before.state is after.state and before.more_needs == after.more_needs:
        return before  # it starts: what is left counts down
    passed = after.estimated_at - before.estimated_at
    same = (
        before.state is after.state
        and before.waiting_since == after.waiting_since
        and before.workload == after.workload
        and before.more_needs == after.more_needs
        and _same(before.left, after.left, passed)
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
        and _same(before.left, after.left, passed)
    )


def _same(before: TimeLeft | None, after: TimeLeft | None, passed: float) -> bool:
    if before is None or after is None:
        return before is after
    if (before.latest is None) is not (after.latest is None):
        return False
    allowed = max(SAME_SECONDS, SAME_FRACTION * after.likely)
    bounds = max(SAME_SECONDS, 2 * SAME_FRACTION * (after.latest or after.likely))
    return (
        abs(before.likely - passed - after.likely) <= allowed
        and abs(max(0.0, before.soonest - passed) - after.soonest) <= bounds
        and (before.latest is None or abs(before.latest - passed - (after.latest or 0.0)) <= bounds)
    )


def _need(wait: PendingImage, place: QueuePlace, left: TimeLeft | None, failed: Mapping[str, PullView]) -> ImageNeed:
    row = place.row
    if place.pulling:
        state = NeedState.PULLING
    elif place.asked:
        state = NeedState.QUEUED
    elif wait.failure is not None:
        state = NeedState.FAILED
        row = failed.get(wait.name)
    else:
        state = NeedState.NEEDED
    return ImageNeed(
        wait.container.container,
        wait.role.value,
        wait.container.image,
        state,
        row.id if row is not None else None,
        place.behind,
        left,
        wait.failure,
    )
