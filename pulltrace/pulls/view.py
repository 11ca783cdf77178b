"""What the aggregator knows: pulls joined with the pods that wait for them, and pods with what they wait for.

The aggregator makes these values and the server shows them; neither knows the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeAlias

from pulltrace.pulls.failures import Failure
from pulltrace.pulls.model import Pull


@dataclass(frozen=True, slots=True, order=True)
class Workload:
    """What a pod belongs to; a pod that nothing owns is its own workload, of kind `Pod`."""

    namespace: str
    kind: str
    """`Deployment`, `StatefulSet`, `DaemonSet`, `Job`, `CronJob`, `Pod`, or whatever kind the owner has."""
    name: str


@dataclass(frozen=True, slots=True)
class TimeLeft:
    """How long something will take from now on, in seconds."""

    likely: float
    soonest: float
    latest: float | None
    """None where nobody can say: an image of unknown size is in front of it, or an init container has to end first."""


@dataclass(frozen=True, slots=True, order=True)
class WaitingContainer:
    """A container that cannot start before the pull has ended."""

    namespace: str
    pod: str
    container: str
    image: str
    """As written in the pod's specification."""
    workload: Workload | None = None
    """What the pod belongs to; None where nobody has said."""


@dataclass(frozen=True, slots=True)
class PullView:
    """One row: a pull, where it runs, what it is called and who waits for it."""

    node: str
    pull: Pull
    image: str | None
    """The name, when it is certain: recorded by containerd, or the only one that fits."""
    candidates: tuple[str, ...] = ()
    """The names that fit when more than one does, or when only the pods say so; sorted."""
    waiting: tuple[WaitingContainer, ...] = ()
    stale: bool = False
    """The agent's Lease has expired: this is the last that was heard, not what is."""
    failure: Failure | None = None
    """Why it failed, as far as somebody has said so; only of a pull that has."""
    reached_containerd: bool = True
    """False for a pull of which only the pods tell, because the kubelet never asked containerd for it (an
    invalid name, a policy of never pulling), or because it failed too quickly for the agent to see it."""

    @property
    def id(self) -> str:
        return self.pull.id


class NeedState(StrEnum):
    """Where an image stands that a pod needs."""

    NEEDED = "needed"
    """The kubelet has not asked for it yet: other images of the pod, or its init containers, come first."""
    QUEUED = "queued"
    """The kubelet has asked for it, and other pulls of the node come first."""
    PULLING = "pulling"
    FAILED = "failed"
    """The last try has failed; the kubelet waits before the next, or makes none."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """What an image waits behind."""

    image: str
    """The image in front of it, as far as its name is known."""
    pull_id: str | None = None
    """Its row, when it is being pulled."""


@dataclass(frozen=True, slots=True)
class ImageNeed:
    """An image that a container of a pod (or an image volume) waits for."""

    container: str
    role: str
    """`volume`, `init`, `sidecar`, `main` or `ephemeral`."""
    image: str
    """As written in the pod's specification."""
    state: NeedState
    pull_id: str | None = None
    """The row of its pull, when there is one for certain."""
    behind: tuple[Ahead, ...] = ()
    """What the node pulls before it, first what is pulled now."""
    left: TimeLeft | None = None
    """Until it is there; None where nothing can be said."""
    failure: Failure | None = None


class PodState(StrEnum):
    """How far a pod is with its images."""

    WAITING = "waiting"
    FAILING = "failing"
    """At least one of its images could not be pulled the last time."""
    READY = "ready"
    """All its images are on the node."""
    GONE = "gone"
    """It was deleted before that."""

    @property
    def pending(self) -> bool:
        """Whether the pod waits for at least one image."""
        return self in (PodState.WAITING, PodState.FAILING)


@dataclass(frozen=True, slots=True)
class PodView:
    """A pod that waits for images, or has done so within the history time."""

    namespace: str
    name: str
    uid: str
    node: str
    workload: Workload
    state: PodState
    estimated_at: float
    """The moment that all `TimeLeft` of this pod count from, on the aggregator's monotonic clock."""
    waiting_since: float | None = None
    """When the kubelet took the pod on, in Unix seconds on the node's clock."""
    needs: tuple[ImageNeed, ...] = ()
    """The images that it still waits for, in the order in which the kubelet pulls them; empty once it is ready."""
    more_needs: int = 0
    """Images that it waits for beyond `needs`, whose number is bounded."""
    left: TimeLeft | None = None
    """Until all its images are there, and it can start."""
    ended_at: float | None = None
    """When it became ready or gone, on the aggregator's monotonic clock."""

    @property
    def id(self) -> str:
        """Has a slash, so it is never the id of a pull."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class NodeView:
    """What is known of a node."""

    name: str
    heard_at: float
    """When its Lease last changed, on the aggregator's monotonic clock."""
    stale: bool
    bytes_per_second: float
    """All its running pulls together."""
    pulling: int
    """Running pulls, those that found no room in the Lease included."""
    queued: int
    """Images that its kubelet has asked for and that other pulls come before."""
    failing: int
    """Images whose last try has failed and that a pod still waits for."""
    parallel: bool
    """Whether it has been seen to pull for several pods at once; by default a kubelet pulls one image after another."""
    trouble: str | None = None
    """Why its agent cannot say what is going on."""


Row: TypeAlias = PullView | PodView


@dataclass(frozen=True, slots=True)
class Change:
    """One pull that changed, in the order in which the store took it in."""

    sequence: int
    before: PullView | None
    """None for a row that is new."""
    after: PullView | None
    """None for a row that is gone (its history has run out, or its node has)."""


@dataclass(frozen=True, slots=True)
class PodChange:
    """One pod that changed; numbered together with the pulls."""

    sequence: int
    before: PodView | None
    after: PodView | None


AnyChange: TypeAlias = Change | PodChange


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All rows at one moment; changes after it have a greater sequence."""

    sequence: int
    pulls: Mapping[str, PullView]
    synced: bool
    """False until the Leases have been listed once: an empty snapshot then means nothing."""
    pods: Mapping[str, PodView] = field(default_factory=dict)


class Subscription(Protocol):
    """Changes as they come, for one reader."""

    async def next(self, timeout_seconds: float) -> tuple[AnyChange, ...] | None:
        """The changes since the last call, at least one; `()` when the timeout passed in silence;
        None when the reader was too slow (or the store closed) and must begin with a new snapshot.
        """

    def close(self) -> None: ...


class PullSource(Protocol):
    """What the server needs of the store."""

    def snapshot(self) -> Snapshot: ...

    def subscribe(self) -> tuple[Snapshot, Subscription]:
        """A snapshot and every change after it, without a gap between them."""

    def changes_after(self, sequence: int) -> Sequence[AnyChange] | None:
        """The changes that came after that one; None when it is too long ago to tell."""

    @property
    def closed(self) -> bool:
        """True once the process is shutting down: streams end."""


class PodLookup(Protocol):
    """Asks Kubernetes for pods that have no row: they wait for no image, or not yet.

    `admit` is called before each request to Kubernetes. Both methods raise what it raises.
    """

    async def has_images(self, namespace: str, name: str, admit: Callable[[], None]) -> bool | None:
        """Return whether all containers of the pod have their images; None when the pod does not exist."""

    async def pods_with_images(self, workload: Workload, admit: Callable[[], None]) -> tuple[int, int]:
        """Return the number of the workload's pods, and of those that have all their images."""
