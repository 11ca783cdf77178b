"""The pods that wait: which containers, on which node, cannot start before which image is there.

A pod stays in phase Pending until all its containers have been created, so the watch asks for scheduled pods
in that phase only, and the mass of running ones never reaches us. A pod that leaves the phase comes as a
deleted one. Of each pod a record of half a KiB is kept, read straight from the JSON.

Whether a container waits for an *image* is read from its status: not created yet, for a reason that has to do
with images or that says nothing in particular. Which pull it waits for is not decided here.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Protocol

from pulltrace.kube.decoding.fields import Raw, needed_text, unix_seconds
from pulltrace.kube.watch.watch_events import WatchEvent
from pulltrace.pulls.failures import NEVER_PULLED, PULL_FAILED
from pulltrace.pulls.redaction import HIDDEN, READ_CHARACTERS, redact, redact_name
from pulltrace.pulls.references import parse_reference
from pulltrace.pulls.view import Workload
from pulltrace.pulls.workloads import workload_of

PODS_PATH = "/api/v1/pods"
MAX_REASON_CHARACTERS = 128
MIRROR = "kubernetes.io/config.mirror"
MAX_HASH_CHARACTERS = 128
MAX_OWNER_CHARACTERS = 253
MAX_WAITS = 64
"""Containers of a pod that are kept while they wait; of the others only the number. Pods have ten, rarely thirty."""
MAX_WAIT_CHARACTERS = 16 * 1024
"""Length of their names, images and messages together."""

IMAGE_REASONS = (
    frozenset(
        {
            None,  # the kubelet has not said anything yet
            "ContainerCreating",
            "PodInitializing",
            "ImageInspectError",
        }
    )
    | PULL_FAILED
    | NEVER_PULLED
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
    """As written in the pod's specification, without credentials."""
    role: Role
    reason: str | None = None
    """The kubelet's word: `ContainerCreating`, `ImagePullBackOff`, …; None while it has said nothing."""
    message: str | None = None
    """What the kubelet says of a failure: redacted, on one line of at most 1 KiB."""


@dataclass(frozen=True, slots=True)
class PodRecord:
    """A scheduled pod whose containers have not all been created."""

    namespace: str
    name: str
    uid: str
    node: str
    workload: Workload
    started_at: float | None = None
    """When the kubelet took the pod on, in Unix seconds on the node's clock."""
    ending: bool = False
    """It is being deleted."""
    waiting: tuple[ImageWait, ...] = ()
    """In the order in which the kubelet pulls; empty when the pod waits for something else, or for nothing any more."""
    more_waiting: int = 0
    """Containers that wait beyond those in `waiting`, which has the first then."""
    config_hash: str | None = None
    """The hash by which a kubelet names a static pod in Events, instead of the UID."""
    created_at: float | None = None
    """When the API server took the pod in, in Unix seconds on its own clock."""

    @property
    def key(self) -> str:
        """What `Gone` says of this pod."""
        return f"{self.namespace}/{self.name}"


class PodWatching(Protocol):
    """What the aggregator needs: the pods that wait, then changes, then all again, without end."""

    def watch(self) -> AsyncIterator[WatchEvent[PodRecord]]: ...


def pod_key(raw: Raw) -> str:
    metadata = raw["metadata"]
    return f"{needed_text(metadata['namespace'])}/{needed_text(metadata['name'])}"


def pod_record(raw: Raw) -> PodRecord:
    """A Pod as the API sends it, as far as its images go."""
    metadata, status = raw["metadata"], raw.get("status") or {}
    ending = metadata.get("deletionTimestamp") is not None
    waits = () if ending else image_waits(raw)
    waiting = waits[: _kept(waits)]
    return PodRecord(
        # Many pods have the same namespace and node: keep one copy of each. Texts that authors of pods choose are not
        # interned: some Pythons never free those.
        namespace=sys.intern(metadata["namespace"]),
        name=needed_text(metadata["name"]),
        uid=needed_text(metadata["uid"]),
        node=sys.intern(raw["spec"].get("nodeName") or ""),
        workload=_workload(metadata),
        started_at=unix_seconds(status.get("startTime")),
        ending=ending,
        waiting=waiting,
        more_waiting=len(waits) - len(waiting),
        config_hash=_config_hash(metadata),
        created_at=unix_seconds(metadata.get("creationTimestamp")),
    )


def _kept(waits: tuple[ImageWait, ...]) -> int:
    """The number of waits to keep: at least one, since a pod without waits has all its images."""
    characters = 0
    for number, wait in enumerate(waits[:MAX_WAITS]):
        characters += len(wait.name) + len(wait.image) + len(wait.message or "")
        if number and characters > MAX_WAIT_CHARACTERS:
            return number
    return min(len(waits), MAX_WAITS)


def _config_hash(metadata: Raw) -> str | None:
    """The pod that the API server shows for a static pod has the hash of the node's file in an annotation."""
    found = (metadata.get("annotations") or {}).get(MIRROR)
    return needed_text(found)[:MAX_HASH_CHARACTERS] if found else None


def image_waits(raw: Raw) -> tuple[ImageWait, ...]:
    """The containers and image volumes of a Pod that have not got their images, in the order of their pulls."""
    return tuple(_waits(raw["spec"], raw.get("status") or {}))


def _workload(metadata: Raw) -> Workload:
    owners = metadata.get("ownerReferences") or ()
    owner = next((_kind_and_name(one) for one in owners if one.get("controller")), None)
    return _one_copy(workload_of(metadata["namespace"], metadata["name"], metadata.get("labels") or {}, owner))


def _kind_and_name(owner: Raw) -> tuple[str, str]:
    return needed_text(owner["kind"])[:MAX_OWNER_CHARACTERS], needed_text(owner["name"])[:MAX_OWNER_CHARACTERS]


@lru_cache(maxsize=4096)
def _one_copy(workload: Workload) -> Workload:
    """All pods of a workload share one value."""
    return workload


def _waits(spec: Raw, status: Raw) -> Iterator[ImageWait]:
    groups = (
        ("initContainers", "initContainerStatuses", Role.INIT),
        ("containers", "containerStatuses", Role.MAIN),
        ("ephemeralContainers", "ephemeralContainerStatuses", Role.EPHEMERAL),
    )
    statuses = {key: {one["name"]: one for one in status.get(key) or ()} for _, key, _ in groups}
    volumes = tuple(_volume_waits(spec, [one for group in statuses.values() for one in group.values()]))
    yield from volumes
    for key, status_key, role in groups:
        for container in spec.get(key) or ():
            if wait := _wait(container, statuses[status_key].get(container["name"]) or {}, role, volumes):
                yield wait


def _volume_waits(spec: Raw, statuses: list[Raw]) -> Iterator[ImageWait]:
    """The kubelet pulls image volumes before it makes the first container, and gives them no status of their own.

    When one fails, the containers that mount it say so, and the others start.
    """
    early = not any(_has_image(status) for status in statuses)
    failing = [waiting for status in statuses if (waiting := _waiting(status)).get("reason") in PULL_FAILED]
    for volume in spec.get("volumes") or ():
        if reference := redact_name(needed_text((volume.get("image") or {}).get("reference") or "")):
            failure = next((one for one in failing if _names(one, reference)), None)
            if early or failure is not None:
                yield _image_wait(needed_text(volume["name"]), reference, Role.VOLUME, failure or {})


def _wait(container: Raw, status: Raw, role: Role, volumes: tuple[ImageWait, ...]) -> ImageWait | None:
    waiting = _waiting(status)
    reason = waiting.get("reason") or None
    # A container that is made again (its image was changed, or is always pulled) still shows the image of before.
    if reason not in PULL_FAILED and (_has_image(status) or reason not in IMAGE_REASONS):
        return None
    image = redact_name(needed_text(container.get("image") or ""))
    if reason in PULL_FAILED and any(volume.reason and _names(waiting, volume.image) for volume in volumes):
        if _has_image(status):
            return None
        waiting = {}  # that is the failure of the volume: nobody has asked for this image yet
    if role is Role.INIT and container.get("restartPolicy") == "Always":
        role = Role.SIDECAR
    return _image_wait(needed_text(container["name"]), image, role, waiting)


def _image_wait(name: str, image: str, role: Role, waiting: Raw) -> ImageWait:
    reason, message = needed_text(waiting.get("reason") or ""), needed_text(waiting.get("message") or "")
    # One character more than is read tells that there were more.
    return _shared_wait(
        name, image, role, reason[:MAX_REASON_CHARACTERS] or None, message[: READ_CHARACTERS + 1] or None
    )


@lru_cache(maxsize=1024)
def _shared_wait(name: str, image: str, role: Role, reason: str | None, message: str | None) -> ImageWait:
    """The pods of a workload wait for the same with the same words: one value for all."""
    return ImageWait(name, image, role, reason, message and redact(message))


def _names(waiting: Mapping[str, str], reference: str) -> bool:
    """Whether the kubelet's message is about this image: it has its name in quotes, as in the pod or in full."""
    message = waiting.get("message") or ""
    if HIDDEN in reference:
        message = redact(message)
    return f'"{reference}"' in message or f'"{parse_reference(reference)}"' in message


def _waiting(status: Raw) -> dict[str, str]:
    return (status.get("state") or {}).get("waiting") or {}


def _has_image(status: Raw) -> bool:
    """Whether the container was created once: it runs, has ended, or its status names the image it was made from."""
    state = status.get("state") or {}
    return bool(status.get("imageID")) or "running" in state or "terminated" in state
