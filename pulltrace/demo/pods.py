"""The pods of the demo, with the nodes that the scheduler chose."""

from __future__ import annotations

from dataclasses import dataclass

from pulltrace.demo.images import Image
from pulltrace.demo.node import Fault
from pulltrace.kube.resources.pending_pods import Role
from pulltrace.pulls.view import Workload


@dataclass(frozen=True, slots=True)
class Refusal:
    """The kubelet refuses the image before it asks containerd."""

    reason: str
    """The reason in the status."""
    message: str


@dataclass(frozen=True, slots=True)
class Container:
    """A container of a pod."""

    name: str
    image: Image
    role: Role = Role.MAIN
    runs_seconds: float = 0.0
    """How long an init container runs."""
    fault: Fault | Refusal | None = None
    """The fault of the pulls for this container."""


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod that was scheduled to a node."""

    namespace: str
    name: str
    node: str
    workload: Workload
    containers: tuple[Container, ...]
    """In the order in which the kubelet starts them."""

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"
