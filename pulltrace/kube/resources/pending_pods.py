"""Pending pods: which containers, on which node, cannot start before which image is present.

A pod stays in phase Pending until all its containers have been created. So the watch selects scheduled pods in that
phase, and the running ones are never transferred. A pod that leaves the phase comes as a deleted one. The record of a
pod has half a KiB, and is read straight from the JSON.

A container waits for an *image* if its status says that it was not created yet, for a reason that concerns images or
for a general one. `aggregator.rows.correlation` decides which pull it waits for.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from pulltrace.kube.decoding.api_objects import Raw, required_text, unix_seconds
from pulltrace.kube.decoding.partial_json import Shape
from pulltrace.kube.watch.list_watch import ListWatch
from pulltrace.pulls.failures import NEVER_PULLED, PULL_FAILED
from pulltrace.pulls.redaction import HIDDEN, READ_CHARACTERS, redact, redact_name
from pulltrace.pulls.references import parse_reference
from pulltrace.pulls.view import Workload
from pulltrace.pulls.workloads import HASH_LABEL, workload_of

PODS_PATH = "/api/v1/pods"
SELECTOR = "status.phase=Pending,spec.nodeName!="
"""Scheduled, and not all containers created."""
MAX_REASON_CHARACTERS = 128
MIRROR_ANNOTATION = "kubernetes.io/config.mirror"
MAX_HASH_CHARACTERS = 128
MAX_OWNER_CHARACTERS = 253
MAX_WAITS = 64
"""Most waiting containers that are kept of a pod; the others are only counted. Pods have ten, rarely thirty."""
MAX_WAIT_CHARACTERS = 16 * 1024
"""Longest sum of their names, images and messages."""

IMAGE_REASONS = (
    frozenset(
        {
            None,  # the kubelet has not written a status yet
            "ContainerCreating",
            "PodInitializing",
            "ImageInspectError",
        }
    )
    | PULL_FAILED
    | NEVER_PULLED
)
"""Reasons of containers whose image is not present. Others (`CreateContainerConfigError`, …) follow the pull."""


_STATE: Shape = {"waiting": {"reason": None, "message": None}, "running": {}, "terminated": {}}
_STATUS: Shape = {"name": None, "imageID": None, "state": _STATE}
_CONTAINER: Shape = {"name": None, "image": None, "restartPolicy": None}

POD_SHAPE: Shape = {
    "metadata": {
        **dict.fromkeys(("name", "namespace", "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp")),
        "labels": {HASH_LABEL: None},
        "ownerReferences": dict.fromkeys(("kind", "name", "controller")),
        "annotations": {MIRROR_ANNOTATION: None},
    },
    "spec": {
        "nodeName": None,
        "volumes": {"name": None, "image": {"reference": None}},
        "initContainers": _CONTAINER,
        "containers": _CONTAINER,
        "ephemeralContainers": _CONTAINER,
    },
    "status": {
        **dict.fromkeys(("phase", "startTime")),
        "initContainerStatuses": _STATUS,
        "containerStatuses": _STATUS,
        "ephemeralContainerStatuses": _STATUS,
    },
}
"""Fields that `pod_record` reads of a large Pod."""


class Role(StrEnum):
    """The use of an image, in the order of the kubelet's pulls."""

    VOLUME = "volume"
    INIT = "init"
    SIDECAR = "sidecar"
    MAIN = "main"
    EPHEMERAL = "ephemeral"


@dataclass(frozen=True, slots=True)
class ImageWait:
    """A container (or an image volume) whose image is not present yet."""

    name: str
    image: str
    """As written in the pod's specification, without credentials."""
    role: Role
    reason: str | None = None
    """The status' reason: `ContainerCreating`, `ImagePullBackOff`, …; None before the kubelet's first status."""
    message: str | None = None
    """The kubelet's message of a failure: redacted, on one line of at most 1 KiB."""


@dataclass(frozen=True, slots=True)
class PodRecord:
    """A scheduled pod whose containers have not all been created."""

    namespace: str
    name: str
    uid: str
    node: str
    workload: Workload
    started_at: float | None = None
    """`status.startTime`, in Unix seconds on the node's clock."""
    ending: bool = False
    """It is being deleted."""
    waiting: tuple[ImageWait, ...] = ()
    """In the order of the kubelet's pulls; empty when all images are present."""
    more_waiting: int = 0
    """The number of waiting containers after those in `waiting`."""
    config_hash: str | None = None
    """A static pod's hash, which a kubelet writes into Events in place of the UID."""
    created_at: float | None = None
    """`metadata.creationTimestamp`, in Unix seconds on the API server's clock."""

    @property
    def key(self) -> str:
        """The key of this pod's `Deleted`."""
        return f"{self.namespace}/{self.name}"


def pod_key(raw: Raw) -> str:
    metadata = raw["metadata"]
    return f"{required_text(metadata['namespace'])}/{required_text(metadata['name'])}"


def pod_record(raw: Raw) -> PodRecord:
    """Return the record of a Pod."""
    metadata, status = raw["metadata"], raw.get("status") or {}
    ending = metadata.get("deletionTimestamp") is not None
    waits = () if ending else image_waits(raw)
    waiting = waits[: _kept(waits)]
    return PodRecord(
        # Many pods have the same namespace and node: keep one copy of each. Texts that authors of pods choose are not
        # interned, since some Python versions never free them.
        namespace=sys.intern(metadata["namespace"]),
        name=required_text(metadata["name"]),
        uid=required_text(metadata["uid"]),
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
    """Return how many waits are kept: at least one, since a pod without waits has all its images."""
    characters = 0
    for number, wait in enumerate(waits[:MAX_WAITS]):
        characters += len(wait.name) + len(wait.image) + len(wait.message or "")
        if number and characters > MAX_WAIT_CHARACTERS:
            return number
    return min(len(waits), MAX_WAITS)


def _config_hash(metadata: Raw) -> str | None:
    """Return the hash of a static pod's file, which is an annotation of its mirror pod."""
    found = (metadata.get("annotations") or {}).get(MIRROR_ANNOTATION)
    return required_text(found)[:MAX_HASH_CHARACTERS] if found else None


def image_waits(raw: Raw) -> tuple[ImageWait, ...]:
    """Return the containers and image volumes of a Pod whose images are not present, in the order of their pulls."""
    return tuple(_waits(raw["spec"], raw.get("status") or {}))


def _workload(metadata: Raw) -> Workload:
    owners = metadata.get("ownerReferences") or ()
    owner = next((_kind_and_name(one) for one in owners if one.get("controller")), None)
    return _shared_workload(workload_of(metadata["namespace"], metadata["name"], metadata.get("labels") or {}, owner))


def _kind_and_name(owner: Raw) -> tuple[str, str]:
    return required_text(owner["kind"])[:MAX_OWNER_CHARACTERS], required_text(owner["name"])[:MAX_OWNER_CHARACTERS]


@lru_cache(maxsize=4096)
def _shared_workload(workload: Workload) -> Workload:
    """Return one value for all pods of a workload."""
    return workload


PENDING_PODS: ListWatch[PodRecord] = ListWatch(
    resource="pods",
    path=PODS_PATH,
    decode=pod_record,
    key=pod_key,
    item_key=lambda pod: pod.key,
    permission="list and watch pods",
    selectors={"fieldSelector": SELECTOR},
    shape=POD_SHAPE,
)


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
    """Yield the image volumes whose images may not be present.

    The kubelet pulls them before it creates the first container, and writes no status of their own. The containers that
    mount a failed one have its failure in their status, and the others start.
    """
    early = not any(_has_image(status) for status in statuses)
    failing = [waiting for status in statuses if (waiting := _waiting(status)).get("reason") in PULL_FAILED]
    for volume in spec.get("volumes") or ():
        if reference := redact_name(required_text((volume.get("image") or {}).get("reference") or "")):
            failure = next((one for one in failing if _mentions(one, reference)), None)
            if early or failure is not None:
                yield _image_wait(required_text(volume["name"]), reference, Role.VOLUME, failure or {})


def _wait(container: Raw, status: Raw, role: Role, volumes: tuple[ImageWait, ...]) -> ImageWait | None:
    waiting = _waiting(status)
    reason = waiting.get("reason") or None
    # The status of a container that is recreated (image changed, or always pulled) still has the previous image.
    if reason not in PULL_FAILED and (_has_image(status) or reason not in IMAGE_REASONS):
        return None
    image = redact_name(required_text(container.get("image") or ""))
    if reason in PULL_FAILED and any(volume.reason and _mentions(waiting, volume.image) for volume in volumes):
        if _has_image(status):
            return None
        waiting = {}  # the failure of the volume: the kubelet has not requested this image yet
    if role is Role.INIT and container.get("restartPolicy") == "Always":
        role = Role.SIDECAR
    return _image_wait(required_text(container["name"]), image, role, waiting)


def _image_wait(name: str, image: str, role: Role, waiting: Raw) -> ImageWait:
    reason, message = required_text(waiting.get("reason") or ""), required_text(waiting.get("message") or "")
    # One character more than the reader takes marks a cut message.
    return _shared_wait(
        name, image, role, reason[:MAX_REASON_CHARACTERS] or None, message[: READ_CHARACTERS + 1] or None
    )


@lru_cache(maxsize=1024)
def _shared_wait(name: str, image: str, role: Role, reason: str | None, message: str | None) -> ImageWait:
    """Return one value for all pods of a workload, which wait for the same image with the same message."""
    return ImageWait(name, image, role, reason, message and redact(message))


def _mentions(waiting: Mapping[str, str], reference: str) -> bool:
    """Return whether the kubelet's message has this image in quotes, as in the pod or in full."""
    message = waiting.get("message") or ""
    if HIDDEN in reference:
        message = redact(message)
    return f'"{reference}"' in message or f'"{parse_reference(reference)}"' in message


def _waiting(status: Raw) -> dict[str, str]:
    return (status.get("state") or {}).get("waiting") or {}


def _has_image(status: Raw) -> bool:
    """Return whether the container was created once: it runs, has ended, or its status has an image ID."""
    state = status.get("state") or {}
    return bool(status.get("imageID")) or "running" in state or "terminated" in state
