"""What a node's kubelet pulls for whom, what it has been asked for, and in which order. Pure.

A kubelet works on all its pods at once, each with one image at a time. By default it pulls one image after another, in
the order in which its pods come to ask; a pod with several images comes again for each of them, and so to the end of
the queue. When a pod asked is told by Events. Without them it is taken that each pod asked when the kubelet took it
on, if anything is pulled on the node at all: a pod on a node that pulls nothing waits for something else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pulltrace.aggregator.pods.pending_images import PendingImage, container_key
from pulltrace.kube.resources.pending_pods import Role
from pulltrace.pulls.model import Phase
from pulltrace.pulls.view import Ahead, PullView

IN_ORDER = frozenset({Role.VOLUME, Role.INIT, Role.SIDECAR})
"""Without these images the kubelet does not ask for those that come after them."""


@dataclass(frozen=True, slots=True)
class QueuePlace:
    """Where one wait stands in the queue of its node."""

    row: PullView | None = None
    """The pull that it waits for, when it runs and is known for certain."""
    among: tuple[PullView, ...] = ()
    """The running pulls of which one is its own, when nobody can say which."""
    asked: bool = False
    """The kubelet has asked for it, and it is not being pulled."""
    behind: tuple[Ahead, ...] = ()

    @property
    def pulling(self) -> bool:
        return self.row is not None or bool(self.among)


@dataclass(frozen=True, slots=True)
class PullQueue:
    """The queue of one node."""

    places: Mapping[str, QueuePlace] = field(default_factory=dict)
    """By key of the wait."""
    order: tuple[PendingImage, ...] = ()
    """What the kubelet has asked for, first come first; those that wait for what is being pulled included."""
    running: tuple[PullView, ...] = ()
    """What the kubelet pulls, oldest first."""

    @property
    def queued(self) -> int:
        """How many images wait for their turn."""
        return len({wait.name for wait in self.order if not self.places[wait.key].pulling})


_NOWHERE = QueuePlace()


def build_queue(
    pods: Iterable[Sequence[PendingImage]],
    rows: Iterable[PullView],
    slots: int = 1,
    present: Collection[str] = (),
    *,
    events: bool = False,
) -> PullQueue:
    """The queue of a node. `pods`: the waits of each, in the order of its kubelet; `slots`: how many images the
    kubelet has been seen to pull at once; `there`: the images that are on the node; `events`: whether what the kubelets ask for is being told at all.
    """
    pods = list(pods)
    pulled = sorted((r for r in rows if not r.pull.phase.ended), key=lambda row: (row.pull.started_at, row.id))
    # A pull by hand, for which no pod waits, keeps the kubelet from nothing.
    running = tuple(row for row in pulled if row.waiting or row.candidates) or tuple(pulled)
    row_of = {
        container_key(container): row
        for row in running
        if row.image is not None or not row.pull.repositories
        for container in row.waiting
    }
    unsure = [row for row in running if row.candidates and row.pull.repositories]
    places = {wait.key: _pulled(wait, row_of, unsure) for waits in pods for wait in waits}
    asked = [wait for waits in pods if (wait := _asks(waits, events=events, busy=bool(running))) is not None]
    asked.sort(key=_order)
    pulled_now = [
        (row.candidates, Ahead(row.image or " | ".join(row.candidates or row.pull.repositories), row.id))
        for row in running
    ]
    ahead: list[Ahead] = []
    passed = set(present)
    full = len(running) >= slots
    for wait in asked:
        if places[wait.key].pulling:
            continue
        # A pull that may be its own is not in front of it.
        others = [one for candidates, one in pulled_now if wait.name not in candidates]
        behind = (*others, *(one for one in ahead if one.image != wait.name)) if full else ()
        places[wait.key] = QueuePlace(asked=True, behind=behind)
        if wait.name not in passed:
            passed.add(wait.name)
            ahead.append(Ahead(wait.name))
    return PullQueue(places, tuple(asked), running)


def current(waits: Sequence[PendingImage]) -> PendingImage | None:
    """What the kubelet works on for a pod; None while it can only wait before it tries again."""
    for wait in waits:
        if wait.requested_at is not None or (wait.trouble is None and wait.pulled):
            return wait
        if wait.role in IN_ORDER:
            return None
    return None


def parallel_pulls(rows: Iterable[PullView]) -> int:
    """For how many pods images are pulled at this moment for certain; more than one shows a kubelet that does not
    wait for one pull to end before it begins the next. Pulls by hand, for which no pod waits, do not count.
    """
    free = [
        {(container.namespace, container.pod) for container in row.waiting}
        for row in rows
        if not row.pull.phase.ended and not row.stale and row.pull.phase is not Phase.RESOLVING
    ]
    taken: set[tuple[str, str]] = set()
    for pods in sorted(free, key=len):
        if left := pods - taken:
            taken.add(min(left))
    return len(taken)


def _asks(waits: Sequence[PendingImage], *, events: bool, busy: bool) -> PendingImage | None:
    wait = current(waits)
    if wait is None or wait.requested_at is not None:
        return wait
    return wait if busy and not events else None


def _order(wait: PendingImage) -> tuple[float, int, float, str]:
    since = wait.since if wait.since is not None else 0.0
    return wait.requested_at if wait.requested_at is not None else since, wait.turn, since, wait.key


def _pulled(wait: PendingImage, row_of: Mapping[str, PullView], unsure: Sequence[PullView]) -> QueuePlace:
    if (row := row_of.get(wait.key)) is not None:
        return QueuePlace(row=row)
    among = tuple(row for row in unsure if wait.name in row.candidates)
    names = {name for row in among for name in row.candidates}
    return QueuePlace(among=among) if among and len(names) <= len(among) else _NOWHERE
