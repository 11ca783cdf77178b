"""What keeps containers of one pod waiting: an image each, with what is known of it. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from pulltrace.aggregator.pods.image_failures import FAILED, ImageFailure
from pulltrace.aggregator.pods.kubelet_event_index import ImagePullStatus, image_key
from pulltrace.kube.resources.pending_pods import PodRecord, Role
from pulltrace.pulls.failures import NEVER_PULLED, Failure, classify
from pulltrace.pulls.model import Phase, Pull
from pulltrace.pulls.references import Reference, parse_reference
from pulltrace.pulls.view import WaitingContainer

_NOTHING = ImagePullStatus()


@dataclass(frozen=True, slots=True)
class PendingImage:
    """A container that waits for an image on this node."""

    key: str
    """Of the container: `namespace/pod/container`."""
    container: WaitingContainer
    reference: Reference
    name: str
    """The reference in full: what is equal here is one image."""
    source: str
    """Its repository, as containerd notes it."""
    role: Role = Role.MAIN
    reason: str | None = None
    """The kubelet's word for why it waits."""
    trouble: ImageFailure | None = None
    """Why the last try has failed."""
    requested_at: float | None = None
    """When the kubelet asked for the image, if it still waits for the answer; in Unix seconds on the node's clock."""
    turn: int = 0
    """Who asked first, where the time is the same."""
    since: float | None = None
    """When the kubelet took the pod on, on the same clock."""
    failed_at: float | None = None
    """When its last try failed, on the same clock, if an Event has said so."""
    reported_pulled: bool = False
    """Events report its image as pulled; the status still reports a failure."""

    @property
    def failure(self) -> Failure | None:
        return self.trouble.failure if self.trouble is not None else None

    @property
    def pulled(self) -> bool:
        """False when the kubelet pulls nothing for this container."""
        return self.reason not in NEVER_PULLED


def pending_images_of(
    pod: PodRecord, said: Mapping[str, ImagePullStatus], troubles: Mapping[str, ImageFailure]
) -> tuple[PendingImage, ...]:
    """The waits of a pod, in the order in which the kubelet pulls; not those that have ended by what Events say, as
    long as the status does not say that they have failed.
    """
    found = []
    for wait in pod.waiting:
        told = said.get(image_key(wait), _NOTHING)
        if told.present and wait.reason not in FAILED:
            continue
        reference, name, source = _read(wait.image)
        found.append(
            PendingImage(
                f"{pod.key}/{wait.name}",
                WaitingContainer(pod.namespace, pod.name, wait.name, wait.image, pod.workload),
                reference,
                name,
                source,
                wait.role,
                wait.reason,
                troubles.get(wait.name),
                told.requested_at if told.asked else None,
                told.turn,
                pod.started_at,
                told.failed_at,
                told.present,
            )
        )
    return tuple(found)


def without_completed(waits: Iterable[PendingImage], pulls: Iterable[Pull]) -> tuple[PendingImage, ...]:
    """The waits that have not ended by what the kubelet's Events and the node's agent say together.

    The kubelet writes the status of a pod when all its images are there; until then it shows the old failure of one that
    is there already. An Event alone, which others may have written, does not end it.
    """
    brought: dict[str, float] = {}
    for pull in pulls:
        if pull.phase is Phase.COMPLETED and pull.ended_at is not None:
            brought.update((name, max(pull.ended_at, brought.get(name, 0.0))) for name in pull.names)
    return tuple(
        wait for wait in waits if not (wait.reported_pulled and brought.get(wait.name, 0.0) > _failed_at(wait))
    )


def _failed_at(wait: PendingImage) -> float:
    """Earliest time of its failure, on the node's clock."""
    return next((at for at in (wait.failed_at, wait.since) if at is not None), math.inf)


def shared_failure(waits: Sequence[PendingImage]) -> Failure | None:
    """The failure that one row shows for all of these. Across namespaces only statuses count: an author of Events in one
    could put words beside the pods of the others.
    """
    troubles = [wait.trouble for wait in waits if wait.trouble is not None]
    if len({wait.container.namespace for wait in waits}) > 1:
        told = [trouble for trouble in troubles if trouble.by_status]
        if not told and troubles:
            word = troubles[0].reason or "ErrImagePull"
            return replace(troubles[0].failure, reason=classify(word, ""), message=word, tries=1)
        troubles = told
    return max((trouble.failure for trouble in troubles), key=lambda known: known.tries, default=None)


def container_key(container: WaitingContainer) -> str:
    """The key of a wait of this container."""
    return f"{container.namespace}/{container.pod}/{container.container}"


@lru_cache(maxsize=1024)
def _read(image: str) -> tuple[Reference, str, str]:
    reference = parse_reference(image)
    return reference, str(reference), reference.source
