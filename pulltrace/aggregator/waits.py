"""What keeps containers of one pod waiting: an image each, with what is known of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from pulltrace.aggregator.failing import Trouble
from pulltrace.aggregator.heard import Said, key_of
from pulltrace.kube.pods import PodRecord, Role
from pulltrace.pulls.failures import NEVER_PULLED, Failure
from pulltrace.pulls.references import Reference, parse_reference
from pulltrace.pulls.view import WaitingContainer

_NOTHING = Said()


@dataclass(frozen=True, slots=True)
class Wait:
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
    trouble: Trouble | None = None
    """Why the last try has failed."""
    asked_at: float | None = None
    """When the kubelet asked for the image, if it still waits for the answer; in Unix seconds on the node's clock."""
    turn: int = 0
    """Who asked first, where the time is the same."""
    since: float | None = None
    """When the kubelet took the pod on, on the same clock."""
    tried_at: float | None = None
    """When its last try failed, on the same clock, if an Event has said so."""

    @property
    def failure(self) -> Failure | None:
        return self.trouble.failure if self.trouble is not None else None

    @property
    def pulled(self) -> bool:
        """False when the kubelet pulls nothing for this container."""
        return self.reason not in NEVER_PULLED


def waits_of(pod: PodRecord, said: Mapping[str, Said], troubles: Mapping[str, Trouble]) -> tuple[Wait, ...]:
    """The waits of a pod, in the order in which the kubelet pulls; not those that have ended by what Events say."""
    found = []
    for wait in pod.waiting:
        told = said.get(key_of(wait), _NOTHING)
        if told.there:
            continue
        reference, name, source = _read(wait.image)
        found.append(
            Wait(
                f"{pod.key}/{wait.name}",
                WaitingContainer(pod.namespace, pod.name, wait.name, wait.image, pod.workload),
                reference,
                name,
                source,
                wait.role,
                wait.reason,
                troubles.get(wait.name),
                told.asked_at if told.asked else None,
                told.turn,
                pod.started_at,
                told.tried_at,
            )
        )
    return tuple(found)


def container_key(container: WaitingContainer) -> str:
    """The key of a wait of this container."""
    return f"{container.namespace}/{container.pod}/{container.container}"


@lru_cache(maxsize=1024)
def _read(image: str) -> tuple[Reference, str, str]:
    reference = parse_reference(image)
    return reference, str(reference), reference.source
