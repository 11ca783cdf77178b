"""Pods, as records and as the API server's objects."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pulltrace.kube.resources.pending_pods import ImageWait, PodRecord, Role
from pulltrace.pulls.view import Workload

Raw = dict[str, Any]

NODE = "node-1"


def pending_image(
    image: str = "nginx:1",
    reason: str | None = "ContainerCreating",
    message: str | None = None,
    *,
    container: str = "c0",
    role: Role = Role.MAIN,
) -> ImageWait:
    """Return the image that a container of a pod waits for."""
    return ImageWait(container, image, role, reason, message)


def pod(
    name: str,
    *images: str,
    node: str = NODE,
    waiting: Iterable[ImageWait] = (),
    started_at: float | None = None,
) -> PodRecord:
    """Return a pod of the namespace shop that waits for these images."""
    pending = [pending_image(image, container=f"c{number}") for number, image in enumerate(images)]
    workload = Workload("shop", "Pod", name)
    return PodRecord("shop", name, f"uid-{name}", node, workload, started_at, waiting=(*waiting, *pending))


def failing(name: str, image: str, message: str | None, reason: str = "ImagePullBackOff") -> PodRecord:
    """Return a pod whose only image cannot be pulled."""
    return pod(name, waiting=[pending_image(image, reason, message)])


def pod_object(spec: Raw | None = None, status: Raw | None = None, **metadata: Any) -> Raw:
    """Return the pending pod shop/web-1 of node-1 as JSON; the arguments replace single fields."""
    return {
        "metadata": {"name": "web-1", "namespace": "shop", "uid": "u-1", **metadata},
        "spec": {"nodeName": NODE, "containers": [{"name": "main", "image": "nginx:1"}], **(spec or {})},
        "status": {"phase": "Pending", **(status or {})},
    }
