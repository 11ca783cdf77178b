"""Which pull is which image, and who waits for it. Pure.

containerd does not know the tag while it pulls: it has the digest and the repository. The pods that
wait on the node know the names. Together they nearly always leave one name; where they leave more,
all are named as candidates, and where they leave none, the repository is all that is said. A name is
never guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pulltrace.kube.pods import ImageWait, PodRecord
from pulltrace.pulls.model import Phase, Pull
from pulltrace.pulls.references import Reference, parse_reference
from pulltrace.pulls.view import PullView, WaitingContainer

FAILURES = frozenset({"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "SignatureValidationFailed"})
"""What the kubelet calls a container whose image could not be pulled; its message then says why."""

NEVER_PULLED = frozenset({"InvalidImageName", "ErrImageNeverPull"})
"""What the kubelet calls a container for which it does not even try; another's pull may still end its wait."""


@dataclass(frozen=True, slots=True)
class Wait:
    """A container that waits for an image on this node."""

    container: WaitingContainer
    reference: Reference
    failure: str | None
    """The registry's or containerd's words, when the last try has failed."""
    pulled: bool = True
    """False when the kubelet pulls nothing for this container."""


def waits(pods: Iterable[PodRecord]) -> tuple[Wait, ...]:
    """Everything that waits on one node, in a stable order."""
    found = [_wait(pod, container) for pod in pods for container in pod.waiting]
    return tuple(sorted(found, key=lambda wait: wait.container))


def correlate(
    node: str, pulls: Sequence[Pull], waiting: Sequence[Wait], before: Mapping[str, PullView]
) -> dict[str, PullView]:
    """A row for each pull of a node. `before`: the rows as they were; what was certain once stays so."""
    views: dict[str, PullView] = {}
    for pull in pulls:
        if not pull.phase.ended:
            views[pull.id] = _running(node, pull, waiting, pulls)
    claimed = {container for view in views.values() if view.image is not None for container in view.waiting}
    nameless = [view for view in views.values() if not view.pull.repositories and not view.pull.names]
    free = [wait for wait in waiting if wait.container not in claimed]
    for view in nameless:
        views[view.id] = _resolving(view, free, alone=len(nameless) == 1)
    failing = [wait for wait in free if wait.failure is not None]
    for pull in pulls:
        if pull.phase.ended:
            views[pull.id] = _ended(node, pull, failing, before.get(pull.id))
    return views


def _wait(pod: PodRecord, container: ImageWait) -> Wait:
    return Wait(
        WaitingContainer(pod.namespace, pod.name, container.name, container.image),
        parse_reference(container.image),
        container.message or container.reason if container.reason in FAILURES else None,
        container.reason not in NEVER_PULLED,
    )


def _running(node: str, pull: Pull, waiting: Sequence[Wait], pulls: Sequence[Pull]) -> PullView:
    fitting = [wait for wait in waiting if _fits(pull, wait.reference)]
    names = sorted({str(wait.reference) for wait in fitting})
    containers = tuple(wait.container for wait in fitting)
    if pull.names:
        return PullView(node, pull, pull.names[0], waiting=containers)
    by_digest = [str(wait.reference) for wait in fitting if wait.reference.digest is not None]
    if by_digest:
        return PullView(node, pull, by_digest[0], waiting=containers)
    twins = [
        other
        for other in pulls
        if not other.phase.ended
        and other.target_digest != pull.target_digest
        and set(other.repositories) & set(pull.repositories)
    ]
    if len(names) == 1 and not twins:
        return PullView(node, pull, names[0], waiting=containers)
    return PullView(node, pull, None, candidates=tuple(names), waiting=containers)


def _resolving(view: PullView, free: Sequence[Wait], *, alone: bool) -> PullView:
    """Before the first blob only the pods can tell; they wait for this pull for certain when there is no other choice."""
    free = [wait for wait in free if wait.pulled]
    names = tuple(sorted({str(wait.reference) for wait in free}))
    certain = alone and len(names) == 1
    return replace(view, candidates=names, waiting=tuple(wait.container for wait in free) if certain else ())


def _ended(node: str, pull: Pull, failing: Sequence[Wait], before: PullView | None) -> PullView:
    """The row of an ended pull. A failed one is explained, and if need be named, by the pods that still wait for it."""
    image = pull.names[0] if pull.names else before.image if before is not None else None
    candidates = before.candidates if before is not None and image is None else ()
    error = pull.error or (before.pull.error if before is not None else None)
    if pull.phase is Phase.FAILED and error is None:
        fitting = [wait for wait in failing if _failed(pull, wait.reference, image, candidates)]
        names = tuple(sorted({str(wait.reference) for wait in fitting}))
        if len(names) == 1:
            error = fitting[0].failure
            # Known by its repository, or one of the names that it might have had: then it is that one.
            image = names[0] if candidates or pull.repositories else image
        if image is not None:
            candidates = ()
        elif not candidates:
            candidates = names
    layers = pull.layers or (before.pull.layers if before is not None and before.pull.phase is pull.phase else ())
    return PullView(node, replace(pull, error=error, layers=layers), image, candidates=candidates)


def _fits(pull: Pull, reference: Reference) -> bool:
    """Whether a pod that asks for this reference waits for this pull."""
    if reference.digest is not None:
        return reference.digest == pull.target_digest and (
            not pull.repositories or reference.source in pull.repositories
        )
    if pull.names:
        return str(reference) in pull.names
    return reference.source in pull.repositories


def _failed(pull: Pull, reference: Reference, image: str | None, candidates: Sequence[str]) -> bool:
    """Whether a container that waits after a failure may have waited for this pull."""
    if image is not None:
        return str(reference) == image
    if candidates:
        return str(reference) in candidates
    return not pull.repositories or _fits(pull, reference)
