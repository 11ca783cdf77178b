"""The queue of a node's kubelet: running pulls, requested images, and their order. Pure.

A kubelet works on all its pods at once, each with one image at a time. By default it pulls one image after another, in
the order of the requests of its pods. A pod with several images requests them one by one, each at the end of the queue.
Events report the time of a request. Without Events, each pod is taken to request its image when the kubelet accepts it,
if the node pulls anything at all: a pod on a node without pulls waits for something else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pulltrace.aggregator.pods.pending_images import PendingImage, container_key
from pulltrace.kube.resources.pending_pods import Role
from pulltrace.pulls.model import Phase
from pulltrace.pulls.view import Ahead, PullView

IN_ORDER = frozenset({Role.VOLUME, Role.INIT, Role.SIDECAR})
"""The kubelet requests later images of the pod only when these are present."""


@dataclass(frozen=True, slots=True)
class QueuePlace:
    """The place of one pending image in its node's queue."""

    row: PullView | None = None
    """Its running pull, when that is certain."""
    among: tuple[PullView, ...] = ()
    """Running pulls of which one is its own, when it is not certain which."""
    requested: bool = False
    """The kubelet has requested it, and its pull has not started."""
    behind: tuple[Ahead, ...] = ()

    @property
    def pulling(self) -> bool:
        return self.row is not None or bool(self.among)


@dataclass(frozen=True, slots=True)
class PullQueue:
    """The queue of one node."""

    places: Mapping[str, QueuePlace] = field(default_factory=dict)
    """By key of the pending image."""
    order: tuple[PendingImage, ...] = ()
    """Requested images, first come first served; with those whose pull runs."""
    running: tuple[PullView, ...] = ()
    """Running pulls, oldest first."""

    @property
    def queued(self) -> int:
        """Number of requested images whose pull has not started."""
        return len({image.name for image in self.order if not self.places[image.key].pulling})


_NOT_QUEUED = QueuePlace()


def build_queue(
    pods: Iterable[Sequence[PendingImage]],
    rows: Iterable[PullView],
    slots: int = 1,
    present: Collection[str] = (),
    *,
    events: bool = False,
) -> PullQueue:
    """Build the queue of a node.

    `pods`: the pending images of each pod, in its kubelet's order. `slots`: the most pulls that the kubelet has been
    seen to run at once. `present`: names of images on the node. `events`: whether Events report requests at all.
    """
    pods = list(pods)
    pulls = sorted((r for r in rows if not r.pull.phase.ended), key=lambda row: (row.pull.started_at, row.id))
    # A manual pull, for which no pod waits, does not delay the kubelet.
    running = tuple(row for row in pulls if row.waiting or row.candidates) or tuple(pulls)
    row_of = {
        container_key(container): row
        for row in running
        if row.image is not None or not row.pull.repositories
        for container in row.waiting
    }
    uncertain = [row for row in running if row.candidates and row.pull.repositories]
    places = {image.key: _pulling_place(image, row_of, uncertain) for images in pods for image in images}
    requested = [image for images in pods if (image := _request(images, events=events, busy=bool(running))) is not None]
    requested.sort(key=_order)
    pulled_now = [
        (row.candidates, Ahead(row.image or " | ".join(row.candidates or row.pull.repositories), row.id))
        for row in running
    ]
    ahead: list[Ahead] = []
    passed = set(present)
    full = len(running) >= slots
    for image in requested:
        if places[image.key].pulling:
            continue
        # A pull that may be its own is not in front of it.
        others = [one for candidates, one in pulled_now if image.name not in candidates]
        behind = (*others, *(one for one in ahead if one.image != image.name)) if full else ()
        places[image.key] = QueuePlace(requested=True, behind=behind)
        if image.name not in passed:
            passed.add(image.name)
            ahead.append(Ahead(image.name))
    return PullQueue(places, tuple(requested), running)


def current_image(images: Sequence[PendingImage]) -> PendingImage | None:
    """Return the image that the kubelet works on for a pod; None during its back-off."""
    for image in images:
        if image.requested_at is not None or (image.image_failure is None and image.is_pullable):
            return image
        if image.role in IN_ORDER:
            return None
    return None


def parallel_pulls(rows: Iterable[PullView]) -> int:
    """Count the pods that certainly have an image pulled now.

    More than one shows a kubelet that pulls in parallel. Manual pulls, for which no pod waits, do not count.
    """
    pods_of_pulls = [
        {(container.namespace, container.pod) for container in row.waiting}
        for row in rows
        if not row.pull.phase.ended and not row.stale and row.pull.phase is not Phase.RESOLVING
    ]
    taken: set[tuple[str, str]] = set()
    for pods in sorted(pods_of_pulls, key=len):
        if left := pods - taken:
            taken.add(min(left))
    return len(taken)


def _request(images: Sequence[PendingImage], *, events: bool, busy: bool) -> PendingImage | None:
    image = current_image(images)
    if image is None or image.requested_at is not None:
        return image
    return image if busy and not events else None


def _order(image: PendingImage) -> tuple[float, int, float, str]:
    accepted_at = image.accepted_at if image.accepted_at is not None else 0.0
    requested_at = image.requested_at if image.requested_at is not None else accepted_at
    return requested_at, image.requested_seq, accepted_at, image.key


def _pulling_place(image: PendingImage, row_of: Mapping[str, PullView], uncertain: Sequence[PullView]) -> QueuePlace:
    if (row := row_of.get(image.key)) is not None:
        return QueuePlace(row=row)
    among = tuple(row for row in uncertain if image.name in row.candidates)
    names = {name for row in among for name in row.candidates}
    return QueuePlace(among=among) if among and len(names) <= len(among) else _NOT_QUEUED
