"""The images that containers of one pod wait for. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from pulltrace.aggregator.pods.image_failures import FAILED, ImageFailure
from pulltrace.aggregator.pods.image_pull_status import NO_EVENTS, ImagePullStatus, image_key
from pulltrace.kube.resources.pending_pods import PodRecord, Role
from pulltrace.pulls.failures import NEVER_PULLED, Failure, classify
from pulltrace.pulls.model import Phase, Pull
from pulltrace.pulls.references import Reference, parse_reference
from pulltrace.pulls.view import WaitingContainer


@dataclass(frozen=True, slots=True)
class PendingImage:
    """The image of a container (or an image volume) that is not present yet."""

    key: str
    """The container: `namespace/pod/container`."""
    container: WaitingContainer
    reference: Reference
    name: str
    """The full reference: equal names are one image."""
    repository: str
    """As containerd records it."""
    role: Role = Role.MAIN
    reason: str | None = None
    """The kubelet's reason for the wait."""
    image_failure: ImageFailure | None = None
    """The last failed attempt."""
    requested_at: float | None = None
    """When the kubelet requested the image, until the pull ends; Unix seconds on the node's clock."""
    requested_seq: int = 0
    """Order of requests at the same time."""
    accepted_at: float | None = None
    """When the kubelet accepted the pod, on the same clock."""
    failed_at: float | None = None
    """When the last attempt failed, on the same clock; None without an Event."""
    reported_pulled: bool = False
    """Events report the image as pulled; the status still reports a failure."""

    @property
    def failure(self) -> Failure | None:
        return self.image_failure.failure if self.image_failure is not None else None

    @property
    def is_pullable(self) -> bool:
        """False when the kubelet never pulls the image."""
        return self.reason not in NEVER_PULLED


def pending_images_of(
    pod: PodRecord, events: Mapping[str, ImagePullStatus], failures: Mapping[str, ImageFailure]
) -> tuple[PendingImage, ...]:
    """Return the pending images of a pod, in the kubelet's order.

    An image that Events report as present is left out, unless the status reports a failure.
    """
    found = []
    for wait in pod.waiting:
        status = events.get(image_key(wait), NO_EVENTS)
        if status.present and wait.reason not in FAILED:
            continue
        reference, name, repository = _parse(wait.image)
        container = WaitingContainer(pod.namespace, pod.name, wait.name, wait.image, pod.workload)
        found.append(
            PendingImage(
                container_key(container),
                container,
                reference,
                name,
                repository,
                wait.role,
                wait.reason,
                failures.get(wait.name),
                status.requested_at if status.requested else None,
                status.requested_seq,
                pod.started_at,
                status.failed_at,
                status.present,
            )
        )
    return tuple(found)


def without_completed(images: Iterable[PendingImage], pulls: Iterable[Pull]) -> tuple[PendingImage, ...]:
    """Return the images that Events and the node's agent do not both report as present.

    The kubelet writes the status of a pod once all its images are present. Until then it shows the old failure of an
    image that is present already. An Event alone does not end the wait, because others may have written it.
    """
    completed: dict[str, float] = {}
    for pull in pulls:
        if pull.phase is Phase.COMPLETED and pull.ended_at is not None:
            completed.update((name, max(pull.ended_at, completed.get(name, 0.0))) for name in pull.names)
    return tuple(
        image for image in images if not (image.reported_pulled and completed.get(image.name, 0.0) > _failed_at(image))
    )


def _failed_at(image: PendingImage) -> float:
    """Return the earliest time of its failure, on the node's clock."""
    return next((at for at in (image.failed_at, image.accepted_at) if at is not None), math.inf)


def shared_failure(images: Sequence[PendingImage]) -> Failure | None:
    """Return the failure that one row shows for all of these.

    Across namespaces only statuses count: an author of Events in one namespace could put text beside pods of others.
    """
    failures = [image.image_failure for image in images if image.image_failure is not None]
    if len({image.container.namespace for image in images}) > 1:
        by_status = [failure for failure in failures if failure.by_status]
        if not by_status and failures:
            reason = failures[0].reason or "ErrImagePull"
            return replace(failures[0].failure, reason=classify(reason, ""), message=reason, tries=1)
        failures = by_status
    return max((each.failure for each in failures), key=lambda failure: failure.tries, default=None)


def container_key(container: WaitingContainer) -> str:
    """Return the key of the pending image of this container."""
    return f"{container.namespace}/{container.pod}/{container.container}"


@lru_cache(maxsize=1024)
def _parse(image: str) -> tuple[Reference, str, str]:
    reference = parse_reference(image)
    return reference, str(reference), reference.source
