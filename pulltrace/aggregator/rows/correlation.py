"""Which pull is which image, and who waits for it. Pure.

containerd does not know the tag while it pulls: it has the digest and the repository. The pods that
wait on the node know the names, and the kubelet's Events which of them it has asked for. Together they nearly
always leave one name; where they leave more, all are named as candidates, and where they leave none, the
repository is all that is said. A name is never guessed.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from pulltrace.aggregator.pods.pending_images import Wait, shared_failure
from pulltrace.pulls.model import Phase, Pull
from pulltrace.pulls.view import PullView

CLOCK_SECONDS = 1.0
"""How exact the times of Events are."""
LATE_SECONDS = 2.0
"""A pull is seen to have ended, and an Event says so, a moment after it has."""


def correlate(
    node: str,
    pulls: Sequence[Pull],
    waiting: Sequence[Wait],
    before: Mapping[str, PullView],
    slots: int = 1,
    *,
    events: bool = False,
) -> dict[str, PullView]:
    """A row for each pull of a node. `before`: the rows as they were; what was certain once stays so.
    `slots`: how many images its kubelet has been seen to pull at once; `events`: whether kubelets' Events are heard.
    """
    views: dict[str, PullView] = {}
    running = [pull for pull in pulls if not pull.phase.ended]
    served = _served(waiting, pulls)
    by_source: dict[str, list[Wait]] = {}
    for wait in waiting:
        by_source.setdefault(wait.source, []).append(wait)
    alone = len(running) == 1 and slots == 1
    claimed: set[str] = set()
    for pull in running:
        likely = [wait for source in pull.repositories for wait in by_source.get(source, ())]
        fitting = [wait for wait in (likely if pull.repositories else waiting) if _fits(pull, wait)]
        # Who has been served asks once more, for the same digest, until the kubelet has seen that the image is there.
        fitting = [wait for wait in fitting if served.get(wait.key, pull.target_digest) == pull.target_digest]
        view, waits = _running(node, pull, fitting, running, served if alone else None)
        views[pull.id] = view
        if view.image is not None:
            claimed.update(wait.key for wait in waits)
    nameless = [view for view in views.values() if not view.pull.repositories and not view.pull.names]
    free = [wait for wait in waiting if wait.key not in claimed] if nameless else []
    for view in nameless:
        views[view.id] = _resolving(
            view, before.get(view.id), free, waiting, served if alone else None, only=len(nameless) == 1
        )
    failing = [wait for wait in waiting if wait.failure is not None and wait.pulled and wait.key not in claimed]
    newest = _newest_failures(pulls)
    for pull in pulls:
        if pull.phase.ended:
            views[pull.id] = _ended(
                node,
                pull,
                pulls,
                failing,
                _unanswered(pull, waiting),
                before.get(pull.id),
                newest=pull.id in newest,
                events=events,
            )
    return views


def _served(waiting: Sequence[Wait], pulls: Sequence[Pull]) -> dict[str, str | None]:
    """The waits whose image has come since they began, by key, with its digest: the kubelet has not said so yet."""
    there: dict[str, Pull] = {}
    for pull in pulls:
        if pull.phase is Phase.COMPLETED and pull.ended_at is not None:
            for name in pull.names:
                if name not in there or (there[name].ended_at or 0.0) < pull.ended_at:
                    there[name] = pull
    served: dict[str, str | None] = {}
    for wait in waiting:
        begun_at = wait.asked_at if wait.asked_at is not None else wait.since
        brought = there.get(wait.name)
        if begun_at is not None and brought is not None and (brought.ended_at or 0.0) >= begun_at:
            served[wait.key] = brought.target_digest
    return served


def _asked(pull: Pull, fitting: Sequence[Wait], served: Collection[str] | None) -> str | None:
    """The name that it must be by what the kubelet has asked for: the only one, or the one that was asked for first.
    `served`: who has been served already, on a node that pulls one image at a time; None on another.
    """
    first: dict[str, Wait] = {}
    for wait in fitting:
        if wait.asked_at is not None and wait.asked_at <= pull.started_at + CLOCK_SECONDS:
            known = first.get(wait.name)
            if known is None or wait.asked_at < (known.asked_at or 0.0):
                first[wait.name] = wait
    if not first:
        return None
    head, *others = sorted(first.values(), key=lambda wait: wait.asked_at or 0.0)
    if not others:
        return head.name
    apart = (others[0].asked_at or 0.0) - (head.asked_at or 0.0) > CLOCK_SECONDS
    return head.name if apart and served is not None and head.key not in served else None


def _running(
    node: str, pull: Pull, fitting: Sequence[Wait], running: Sequence[Pull], served: Collection[str] | None
) -> tuple[PullView, Sequence[Wait]]:
    """The row, and the waits that it has."""
    names = sorted({wait.name for wait in fitting})
    name = pull.names[0] if pull.names else next((w.name for w in fitting if w.reference.digest is not None), None)
    if name is None and not any(
        other.target_digest != pull.target_digest and set(other.repositories) & set(pull.repositories)
        for other in running
    ):
        name = names[0] if len(names) == 1 else _asked(pull, fitting, served)
        if name is not None:
            fitting = [wait for wait in fitting if wait.name == name]
    containers = tuple(wait.container for wait in fitting)
    return PullView(node, pull, name, candidates=() if name is not None else tuple(names), waiting=containers), fitting


def _resolving(
    view: PullView,
    before: PullView | None,
    free: Sequence[Wait],
    waiting: Sequence[Wait],
    served: Collection[str] | None,
    *,
    only: bool,
) -> PullView:
    """Before the first blob only the pods tell a pull's name. It is certain when there is no other choice.

    A pull may end before its node reports that. When one of its candidates got an answer since it began, the pull was
    that one's, or the guess was wrong (an Event `Pulling` came late, or never): then every name stays possible.
    """
    free = [wait for wait in free if wait.pulled and not _is_later(wait, view.pull.started_at)]
    unanswered = _unanswered(view.pull, waiting)
    earlier = before.candidates if before is not None else ()
    answered = any(name not in unanswered for name in earlier)
    if only and not answered and (name := _asked(view.pull, free, served)) is not None:
        free = [wait for wait in free if wait.name == name]
    names = {wait.name for wait in free} | (set(earlier) if answered else set())
    certain = only and not answered and len(names) == 1
    kept = before.waiting if before is not None and names == set(earlier) else ()
    waits = tuple(wait.container for wait in free) if certain else kept if answered else ()
    return replace(view, candidates=tuple(sorted(names)), waiting=waits)


def _unanswered(pull: Pull, waiting: Sequence[Wait]) -> frozenset[str]:
    """The names that are waited for, and of which no try has failed since the pull began."""
    since = pull.started_at - CLOCK_SECONDS
    return frozenset(wait.name for wait in waiting if wait.tried_at is None or wait.tried_at < since)


def _elsewhere(pull: Pull, pulls: Sequence[Pull]) -> frozenset[str]:
    """The names that another pull of the node brought while this one ran: it was not of those."""
    end = pull.ended_at if pull.ended_at is not None else math.inf
    others = [other for other in pulls if other.id != pull.id and other.started_at <= end]
    return frozenset(name for other in others if (other.ended_at or 0.0) >= pull.started_at for name in other.names)


def _newest_failures(pulls: Sequence[Pull]) -> set[str]:
    """Of the failed pulls of each repository the newest, and all whose repository nobody knows: what pods say
    now may be of another try than the older ones.
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
    failing: Sequence[Wait],
    unanswered: Collection[str],
    before: PullView | None,
    *,
    newest: bool,
    events: bool,
) -> PullView:
    """The row of an ended pull. A failed one is explained, and if need be named, by the pods that still wait for it.
    `unanswered`: the names that have not failed since it began; any other candidate may have been the one that did.
    """
    same = before is not None and before.pull.phase is pull.phase
    settled = pull.phase is not Phase.FAILED or not failing or (before and before.failure and not newest)
    if before is not None and same and settled:
        return before
    image = pull.names[0] if pull.names else before.image if before is not None else None
    candidates = before.candidates if before is not None and image is None else ()
    if candidates:
        elsewhere = _elsewhere(pull, pulls)
        candidates = tuple(name for name in candidates if name not in elsewhere)
    failure = before.failure if before is not None and same else None
    error = pull.error or (before.pull.error if before is not None else None)
    if pull.phase is Phase.FAILED:
        fitting = [wait for wait in failing if _failed(pull, wait, image, candidates, events=events)]
        names = tuple(sorted({wait.name for wait in fitting}))
        if len(names) == 1 and all(name in unanswered for name in candidates if name != names[0]):
            failure = shared_failure(fitting)
            error = pull.error or (failure.message if failure is not None else None)
            # Known by its repository, or one of the names that it might have had: then it is that one.
            image = names[0] if candidates or pull.repositories else image
        if image is not None:
            candidates = ()
        elif not candidates:
            candidates = names
    layers = pull.layers or (before.pull.layers if before is not None and same else ())
    return PullView(node, replace(pull, error=error, layers=layers), image, candidates=candidates, failure=failure)


def _fits(pull: Pull, wait: Wait) -> bool:
    """Whether a pod that asks for this reference waits for this pull."""
    if wait.reference.digest is not None:
        return wait.reference.digest == pull.target_digest and (
            not pull.repositories or wait.source in pull.repositories
        )
    if pull.names:
        return wait.name in pull.names
    return wait.source in pull.repositories


def _is_try(pull: Pull, wait: Wait, candidates: Sequence[str], *, events: bool) -> bool:
    """Whether a failed pull may be a try of a container, as far as times tell: a pod that came later did not wait for
    it, and where no repository tells them apart, a failure of another time is that of another pull.
    """
    ended_at = pull.ended_at if pull.ended_at is not None else math.inf
    if _is_later(wait, ended_at):
        return False
    if pull.repositories:
        return True
    if wait.tried_at is None:
        # Of a pull that nobody has followed only an Event can tell; without Events, at least the pod fails since we look.
        return bool(candidates) or not (events or (wait.trouble is not None and wait.trouble.since == -math.inf))
    return pull.started_at - CLOCK_SECONDS <= wait.tried_at <= ended_at + LATE_SECONDS


def _is_later(wait: Wait, at: float) -> bool:
    """Whether its pod came to the node after a moment."""
    return wait.since is not None and wait.since > at + CLOCK_SECONDS


def _failed(pull: Pull, wait: Wait, image: str | None, candidates: Sequence[str], *, events: bool) -> bool:
    """Whether a container that waits after a failure may have waited for this pull."""
    if not _is_try(pull, wait, (image,) if image is not None else candidates, events=events):
        return False
    if image is not None:
        return wait.name == image
    if candidates:
        return wait.name in candidates
    return not pull.repositories or _fits(pull, wait)
