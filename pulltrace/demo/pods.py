"""The pods of the demo, as somebody has asked for them and the scheduler has placed them."""

from __future__ import annotations

from dataclasses import dataclass

from pulltrace.demo.images import Image
from pulltrace.demo.node import Fault
from pulltrace.kube.resources.pending_pods import Role
from pulltrace.pulls.view import Workload


@dataclass(frozen=True, slots=True)
class Refusal:
    """The kubelet does not even ask containerd."""

    reason: str
    """Its word for that."""
    message: str


@dataclass(frozen=True, slots=True)
class Container:
    """A container of a pod."""

    name: str
    image: Image
    role: Role = Role.MAIN
    runs_seconds: float = 0.0
    """How long an init container keeps those after it waiting."""
    fault: Fault | Refusal | None = None
    """What happens to the pulls that this container makes necessary."""


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
