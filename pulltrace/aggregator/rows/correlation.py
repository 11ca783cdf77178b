"""Which pull is of which image, and which containers wait for it. Pure.

containerd does not know the tag while it pulls: it has the digest and the repository. The waiting pods of the node
have the names, and the kubelet's Events report which of them it requested. Together they nearly always leave one name.
Where they leave several, all are candidates. Where they leave none, only the repository is shown. A name is never
guessed.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from pulltrace.aggregator.pods.pending_images import PendingImage, shared_failure
from pulltrace.pulls.model import Phase, Pull
from pulltrace.pulls.view import PullView

CLOCK_SECONDS = 1.0
"""Precision of the times of Events."""
LATE_SECONDS = 2.0
"""The agent and the Events report the end of a pull a moment after it."""


def correlate(
    node: str,
    pulls: Sequence[Pull],
    pending: Sequence[PendingImage],
    before: Mapping[str, PullView],
    slots: int = 1,
    *,
    events: bool = False,
) -> dict[str, PullView]:
    """Return a row for each pull of a node, by id.

    `pending`: the pending images of the node's pods. `before`: the last rows; a certain name stays. `slots`: the most
    pulls that its kubelet has been seen to run at once. `events`: whether kubelets' Events are watched.
    """
    views: dict[str, PullView] = {}
    running = [pull for pull in pulls if not pull.phase.ended]
    completed = _completed(pending, pulls)
    by_repository: dict[str, list[PendingImage]] = {}
    for image in pending:
        by_repository.setdefault(image.repository, []).append(image)
    alone = len(running) == 1 and slots == 1
    claimed: set[str] = set()
    for pull in running:
        likely = [image for repository in pull.repositories for image in by_repository.get(repository, ())]
        fitting = [image for image in (likely if pull.repositories else pending) if _fits(pull, image)]
        # The kubelet requests a completed image once more, by the same digest, until it sees that the image is present.
        fitting = [image for image in fitting if completed.get(image.key, pull.target_digest) == pull.target_digest]
        view, images = _running(node, pull, fitting, running, completed if alone else None)
        views[pull.id] = view
        if view.image is not None:
            claimed.update(image.key for image in images)
    nameless = [view for view in views.values() if not view.pull.repositories and not view.pull.names]
    free = [image for image in pending if image.key not in claimed] if nameless else []
    for view in nameless:
        views[view.id] = _resolving(
            view, before.get(view.id), free, pending, completed if alone else None, only=len(nameless) == 1
        )
    failing = [
        image for image in pending if image.failure is not None and image.is_pullable and image.key not in claimed
    ]
    newest = _newest_failures(pulls)
    for pull in pulls:
        if pull.phase.ended:
            views[pull.id] = _ended(
                node,
                pull,
                pulls,
                failing,
                _unanswered(pull, pending),
                before.get(pull.id),
                newest=pull.id in newest,
                events=events,
            )
    return views


def _completed(pending: Sequence[PendingImage], pulls: Sequence[Pull]) -> dict[str, str | None]:
    """Return the digests of images that were pulled since their wait started, by key.

    The kubelet has not reported them yet.
    """
    present: dict[str, Pull] = {}
    for pull in pulls:
        if pull.phase is Phase.COMPLETED and pull.ended_at is not None:
            for name in pull.names:
                if name not in present or (present[name].ended_at or 0.0) < pull.ended_at:
                    present[name] = pull
    completed: dict[str, str | None] = {}
    for image in pending:
        waits_since = image.requested_at if image.requested_at is not None else image.accepted_at
        last = present.get(image.name)
        if waits_since is not None and last is not None and (last.ended_at or 0.0) >= waits_since:
            completed[image.key] = last.target_digest
    return completed


def _requested_name(pull: Pull, fitting: Sequence[PendingImage], completed: Collection[str] | None) -> str | None:
    """Return the name that the kubelet's requests leave for a pull: the only one, or the first requested one.

    `completed`: keys of the images that are pulled already; None on a node that may pull in parallel.
    """
    first: dict[str, PendingImage] = {}
    for image in fitting:
        if image.requested_at is not None and image.requested_at <= pull.started_at + CLOCK_SECONDS:
            known = first.get(image.name)
            if known is None or image.requested_at < (known.requested_at or 0.0):
                first[image.name] = image
    if not first:
        return None
    head, *others = sorted(first.values(), key=lambda image: image.requested_at or 0.0)
    if not others:
        return head.name
    apart = (others[0].requested_at or 0.0) - (head.requested_at or 0.0) > CLOCK_SECONDS
    return head.name if apart and completed is not None and head.key not in completed else None


def _running(
    node: str, pull: Pull, fitting: Sequence[PendingImage], running: Sequence[Pull], completed: Collection[str] | None
) -> tuple[PullView, Sequence[PendingImage]]:
    """Return the row of a running pull, and the pending images that wait for it."""
    names = sorted({image.name for image in fitting})
    name = pull.names[0] if pull.names else next((w.name for w in fitting if w.reference.digest is not None), None)
    if name is None and not any(
        other.target_digest != pull.target_digest and set(other.repositories) & set(pull.repositories)
        for other in running
    ):
        name = names[0] if len(names) == 1 else _requested_name(pull, fitting, completed)
        if name is not None:
            fitting = [image for image in fitting if image.name == name]
    containers = tuple(image.container for image in fitting)
    return PullView(node, pull, name, candidates=() if name is not None else tuple(names), waiting=containers), fitting


def _resolving(
    view: PullView,
    before: PullView | None,
    free: Sequence[PendingImage],
    pending: Sequence[PendingImage],
    completed: Collection[str] | None,
    *,
    only: bool,
) -> PullView:
    """Name the image of a pull without blobs: only the pods know it. It is certain when no other fits.

    A pull may end before its node reports that. When one of its candidates got an answer since it began, the pull was
    that one's, or the guess was wrong (an Event `Pulling` came late, or never): then every name stays possible.
    """
    free = [image for image in free if image.is_pullable and not _is_later(image, view.pull.started_at)]
    unanswered = _unanswered(view.pull, pending)
    earlier = before.candidates if before is not None else ()
    answered = any(name not in unanswered for name in earlier)
    if only and not answered and (name := _requested_name(view.pull, free, completed)) is not None:
        free = [image for image in free if image.name == name]
    names = {image.name for image in free} | (set(earlier) if answered else set())
    certain = only and not answered and len(names) == 1
    kept = before.waiting if before is not None and names == set(earlier) else ()
    images = tuple(image.container for image in free) if certain else kept if answered else ()
    return replace(view, candidates=tuple(sorted(names)), waiting=images)


def _unanswered(pull: Pull, pending: Sequence[PendingImage]) -> frozenset[str]:
    """Return the pending names of which no attempt has failed since the pull started."""
    since = pull.started_at - CLOCK_SECONDS
    return frozenset(image.name for image in pending if image.failed_at is None or image.failed_at < since)


def _pulled_meanwhile(pull: Pull, pulls: Sequence[Pull]) -> frozenset[str]:
    """Return the names that other pulls of the node had while this one ran, which exclude it."""
    end = pull.ended_at if pull.ended_at is not None else math.inf
    others = [other for other in pulls if other.id != pull.id and other.started_at <= end]
    return frozenset(name for other in others if (other.ended_at or 0.0) >= pull.started_at for name in other.names)


def _newest_failures(pulls: Sequence[Pull]) -> set[str]:
    """Return the newest failed pull of each repository, and all without one.

    Pods report the newest attempt, which is not that of an older pull.
    """
    newest: dict[object, Pull] = {}
    for pull in pulls:
        if pull.phase is Phase.FAILED:
            key = pull.repositories or pull.id
            if key not in newest or newest[key].started_at < pull.started_at:
                newest[key] = pull
    return {pull.id for pull in newest.values()}


def _ended(
    node: str,
    pull: Pull,
    pulls: Sequence[Pull],
    failing: Sequence[PendingImage],
    unanswered: Collection[str],
    before: PullView | None,
    *,
    newest: bool,
    events: bool,
) -> PullView:
    """Return the row of an ended pull. The pods that still wait for a failed one give its cause and, if needed, its name.

    `unanswered`: the names that have not failed since it started; any other candidate may be the one that failed.
    """
    same = before is not None and before.pull.phase is pull.phase
    settled = pull.phase is not Phase.FAILED or not failing or (before and before.failure and not newest)
    if before is not None and same and settled:
        return before
    name = pull.names[0] if pull.names else before.image if before is not None else None
    candidates = before.candidates if before is not None and name is None else ()
    if candidates:
        elsewhere = _pulled_meanwhile(pull, pulls)
        candidates = tuple(name for name in candidates if name not in elsewhere)
    failure = before.failure if before is not None and same else None
    error = pull.error or (before.pull.error if before is not None else None)
    if pull.phase is Phase.FAILED:
        fitting = [image for image in failing if _failed(pull, image, name, candidates, events=events)]
        names = tuple(sorted({image.name for image in fitting}))
        if len(names) == 1 and all(name in unanswered for name in candidates if name != names[0]):
            failure = shared_failure(fitting)
            error = pull.error or (failure.message if failure is not None else None)
            # Its repository, or its candidates, leave this name only.
            name = names[0] if candidates or pull.repositories else name
        if name is not None:
            candidates = ()
        elif not candidates:
            candidates = names
    layers = pull.layers or (before.pull.layers if before is not None and same else ())
    return PullView(node, replace(pull, error=error, layers=layers), name, candidates=candidates, failure=failure)


def _fits(pull: Pull, image: PendingImage) -> bool:
    """Return whether a pod with this reference waits for this pull."""
    if image.reference.digest is not None:
        return image.reference.digest == pull.target_digest and (
            not pull.repositories or image.repository in pull.repositories
        )
    if pull.names:
        return image.name in pull.names
    return image.repository in pull.repositories


def _is_try(pull: Pull, image: PendingImage, candidates: Sequence[str], *, events: bool) -> bool:
    """Return whether a failed pull may be an attempt for a container, by their times.

    A later pod did not wait for it. Without a repository, a failure at another time belongs to another pull.
    """
    ended_at = pull.ended_at if pull.ended_at is not None else math.inf
    if _is_later(image, ended_at):
        return False
    if pull.repositories:
        return True
    if image.failed_at is None:
        # Without candidates only an Event assigns a pull; without Events, the pod must have started to fail under watch.
        return bool(candidates) or not (
            events or (image.image_failure is not None and image.image_failure.since == -math.inf)
        )
    return pull.started_at - CLOCK_SECONDS <= image.failed_at <= ended_at + LATE_SECONDS


def _is_later(image: PendingImage, at: float) -> bool:
    """Return whether the kubelet accepted its pod after this time."""
    return image.accepted_at is not None and image.accepted_at > at + CLOCK_SECONDS


def _failed(pull: Pull, image: PendingImage, name: str | None, candidates: Sequence[str], *, events: bool) -> bool:
    """Return whether a container that waits after a failure may have waited for this pull."""
    if not _is_try(pull, image, (name,) if name is not None else candidates, events=events):
        return False
    if name is not None:
        return image.name == name
    if candidates:
        return image.name in candidates
    return not pull.repositories or _fits(pull, image)
