"""The pods that wait: which containers, on which node, cannot start before which image is there.

A pod stays in phase Pending until all its containers have been created, so the watch asks for scheduled pods
in that phase only, and the mass of running ones never reaches us. A pod that leaves the phase comes as a
deleted one. Of each pod a record of a few hundred bytes is kept, read straight from the JSON.

Whether a container waits for an *image* is read from its status: not created yet, for a reason that has to do
with images or that says nothing in particular. Which pull it waits for is not decided here.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from pulltrace.kube.errors import one_line
from pulltrace.kube.frames import Raw
from pulltrace.kube.leases import WatchEvent

MESSAGE_CHARACTERS = 300
"""Of the kubelet's message: the registry's own words are at its start."""

IMAGE_REASONS = frozenset(
    {
        None,  # the kubelet has not said anything yet
        "ContainerCreating",
        "PodInitializing",
        "ErrImagePull",
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "InvalidImageName",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
"""Why a container that has no image yet may be waiting. Others (`CreateContainerConfigError`, …) come after it."""


class Role(StrEnum):
    """What an image is for; in the order in which the kubelet pulls them."""

    VOLUME = "volume"
    INIT = "init"
    SIDECAR = "sidecar"
    MAIN = "main"
    EPHEMERAL = "ephemeral"


@dataclass(frozen=True, slots=True)
class ImageWait:
    """A container (or an image volume) that has not got its image yet."""

    name: str
    image: str
    """As written in the pod's specification."""
    role: Role
    reason: str | None = None
    """The kubelet's word: `ContainerCreating`, `ImagePullBackOff`, …; None while it has said nothing."""
    message: str | None = None
    """What the kubelet says of a failure, on one line."""


@dataclass(frozen=True, slots=True)
class PodRecord:
    """A scheduled pod whose containers have not all been created."""

    namespace: str
    name: str
    uid: str
    node: str
    owner: tuple[str, str] | None = None
    """Kind and name of the controller: `("ReplicaSet", "web-7d4b9")`."""
    waiting: tuple[ImageWait, ...] = ()
    """In the order in which the kubelet pulls; empty when the pod waits for something else."""

    @property
    def key(self) -> str:
        """What `Gone` says of this pod."""
        return f"{self.namespace}/{self.name}"


class PodWatching(Protocol):
    """What the aggregator needs: the pods that wait, then changes, then all again, without end."""

    def watch(self) -> AsyncIterator[WatchEvent[PodRecord]]: ...


def pod_key(raw: Raw) -> str:
    metadata = raw["metadata"]
    return f"{metadata['namespace']}/{metadata['name']}"


def pod_record(raw: Raw) -> PodRecord:
    """A Pod as the API sends it, as far as its images go."""
    metadata, spec, status = raw["metadata"], raw["spec"], raw.get("status") or {}
    ending = metadata.get("deletionTimestamp") is not None  # then nothing is pulled for it any more
    return PodRecord(
        # Names, images and reasons come again with every pod of a Deployment: keep one copy of each.
        namespace=sys.intern(metadata["namespace"]),
        name=metadata["name"],
        uid=metadata["uid"],
        node=sys.intern(spec.get("nodeName") or ""),
        owner=_controller(metadata),
        waiting=() if ending else tuple(_waits(spec, status)),
    )


def _controller(metadata: Raw) -> tuple[str, str] | None:
    for owner in metadata.get("ownerReferences") or ():
        if owner.get("controller"):
            return sys.intern(owner["kind"]), sys.intern(owner["name"])
    return None


def _waits(spec: Raw, status: Raw) -> Iterator[ImageWait]:
    groups = (
        ("initContainers", "initContainerStatuses", Role.INIT),
        ("containers", "containerStatuses", Role.MAIN),
        ("ephemeralContainers", "ephemeralContainerStatuses", Role.EPHEMERAL),
    )
    statuses = {key: {one["name"]: one for one in status.get(key) or ()} for _, key, _ in groups}
    if not any(_has_image(one) for group in statuses.values() for one in group.values()):
        # The kubelet pulls image volumes before it makes the first container, and gives them no status.
        for volume in spec.get("volumes") or ():
            if reference := (volume.get("image") or {}).get("reference"):
                yield ImageWait(sys.intern(volume["name"]), sys.intern(reference), Role.VOLUME)
    for key, status_key, role in groups:
        for container in spec.get(key) or ():
            if wait := _wait(container, statuses[status_key].get(container["name"]) or {}, role):
                yield wait


def _wait(container: Raw, status: Raw, role: Role) -> ImageWait | None:
    state = status.get("state") or {}
    waiting = state.get("waiting") or {}
    reason = waiting.get("reason") or None
    if _has_image(status) or reason not in IMAGE_REASONS:
        return None
    if role is Role.INIT and container.get("restartPolicy") == "Always":
        role = Role.SIDECAR
    return ImageWait(
        name=sys.intern(container["name"]),
        image=sys.intern(container.get("image") or ""),
        role=role,
        reason=reason and sys.intern(reason),
        message=one_line(waiting.get("message") or "", MESSAGE_CHARACTERS) or None,
    )


def _has_image(status: Raw) -> bool:
    """Whether the container was created once: it runs, has ended, or its status names the image it was made from."""
    state = status.get("state") or {}
    return bool(status.get("imageID")) or "running" in state or "terminated" in state
