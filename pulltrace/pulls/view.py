"""The rows of the API and the page: pulls joined with waiting pods, and pods with their pending images.

The aggregator makes these values and the server serves them. Neither imports the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeAlias

from pulltrace.pulls.failures import Failure
from pulltrace.pulls.model import Pull
from pulltrace.pulls.time_left import TimeLeft


@dataclass(frozen=True, slots=True, order=True)
class Workload:
    """The controller of a pod; a pod without one is its own workload, of kind `Pod`."""

    namespace: str
    kind: str
    """`Deployment`, `StatefulSet`, `DaemonSet`, `Job`, `CronJob`, `Pod`, or any other kind of a controller."""
    name: str


@dataclass(frozen=True, slots=True, order=True)
class WaitingContainer:
    """A container that starts after the pull at the earliest."""

    namespace: str
    pod: str
    container: str
    image: str
    """As written in the pod's specification."""
    workload: Workload | None = None
    """The pod's workload; None while unknown."""


@dataclass(frozen=True, slots=True)
class PullView:
    """One row: a pull with its node, its name and the waiting containers."""

    node: str
    pull: Pull
    image: str | None
    """The name, when it is certain: in containerd's records, or the only candidate."""
    candidates: tuple[str, ...] = ()
    """The names that fit, sorted, when more than one does or only pods name the image."""
    waiting: tuple[WaitingContainer, ...] = ()
    stale: bool = False
    """The node's Lease has expired: the row shows the last report."""
    failure: Failure | None = None
    """Why a failed pull failed; None without a message."""
    reached_containerd: bool = True
    """False for a pull that only pods report: the kubelet never requested it (an invalid name, a policy of never pulling),
    or it failed between two polls."""

    @property
    def id(self) -> str:
        """The id of the pull."""
        return self.pull.id


class NeedState(StrEnum):
    """The state of a pending image."""

    NEEDED = "needed"
    """The kubelet has not requested it: other images of the pod, or its init containers, come first."""
    QUEUED = "queued"
    """The kubelet has requested it, and pulls other images of the node first."""
    PULLING = "pulling"
    FAILED = "failed"
    """The last attempt failed; the kubelet retries after its back-off, or not at all."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """An image that the node pulls before another."""

    image: str
    """Its name, or what is known of it."""
    pull_id: str | None = None
    """The id of its running pull."""


@dataclass(frozen=True, slots=True)
class ImageNeed:
    """A pending image of a container or an image volume of a pod."""

    container: str
    role: str
    """`volume`, `init`, `sidecar`, `main` or `ephemeral`."""
    image: str
    """As written in the pod's specification."""
    state: NeedState
    pull_id: str | None = None
    """The id of its pull, when that is certain."""
    behind: tuple[Ahead, ...] = ()
    """The images that the node pulls before it, running pulls first."""
    left: TimeLeft | None = None
    """Until it is present; None without an estimate."""
    failure: Failure | None = None


class PodState(StrEnum):
    """The state of a pod's images."""

    WAITING = "waiting"
    FAILING = "failing"
    """The last attempt of at least one of its images failed."""
    READY = "ready"
    """All its images are present."""
    GONE = "gone"
    """It was deleted before it was ready."""

    @property
    def pending(self) -> bool:
        """Whether the pod waits for at least one image."""
        return self in (PodState.WAITING, PodState.FAILING)


@dataclass(frozen=True, slots=True)
class PodView:
    """A waiting pod, or one that waited within the history time."""

    namespace: str
    name: str
    uid: str
    node: str
    workload: Workload
    state: PodState
    estimated_at: float
    """The moment of all `TimeLeft` of this pod, on the aggregator's monotonic clock."""
    waiting_since: float | None = None
    """When the kubelet admitted the pod, in Unix seconds on the node's clock."""
    needs: tuple[ImageNeed, ...] = ()
    """Its pending images, in the order in which the kubelet pulls them; empty for a ready pod."""
    more_needs: int = 0
    """Pending images beyond `needs`, whose number is bounded."""
    left: TimeLeft | None = None
    """Until all its images are present, and it can start."""
    ended_at: float | None = None
    """When it became ready or gone, on the aggregator's monotonic clock."""

    @property
    def id(self) -> str:
        """Namespace and name. It has a slash, so no pull has this id."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node with an agent."""

    name: str
    reported_at: float
    """When its Lease last changed, on the aggregator's monotonic clock."""
    stale: bool
    bytes_per_second: float
    """Rate of all its running pulls together."""
    pulling: int
    """Running pulls, including those left out of the Lease."""
    queued: int
    """Queued images: requested by its kubelet, and behind other pulls."""
    failing: int
    """Pending images whose last attempt failed."""
    parallel: bool
    """Whether it has pulled for several pods at once; by default a kubelet pulls one image after another."""
    error: str | None = None
    """Why the agent has no current state, such as a containerd that does not answer."""


Row: TypeAlias = PullView | PodView


@dataclass(frozen=True, slots=True)
class PullChange:
    """One change of a pull, numbered in the order of the store."""

    sequence: int
    before: PullView | None
    """None for a new row."""
    after: PullView | None
    """None for a removed row: its history time is over, or its node is gone."""


@dataclass(frozen=True, slots=True)
class PodChange:
    """One change of a pod; numbered together with the pulls."""

    sequence: int
    before: PodView | None
    after: PodView | None


AnyChange: TypeAlias = PullChange | PodChange


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All rows at one moment; changes after it have a greater sequence."""

    sequence: int
    pulls: Mapping[str, PullView]
    synced: bool
    """False until the Leases have been listed once: until then an empty snapshot means nothing."""
    pods: Mapping[str, PodView] = field(default_factory=dict)


class Subscription(Protocol):
    """The changes of the store, for one reader."""

    async def next(self, timeout_seconds: float) -> tuple[AnyChange, ...] | None:
        """Return the changes since the last call; `()` after a timeout without any.

        None when the reader was too slow, or the store closed. The reader then starts with a new snapshot.
        """

    def close(self) -> None:
        """End the subscription."""


class PullSource(Protocol):
    """The store, as the server uses it."""

    def snapshot(self) -> Snapshot:
        """Return all rows."""

    def subscribe(self) -> tuple[Snapshot, Subscription]:
        """Return a snapshot, and a subscription to every change after it."""

    def changes_after(self, sequence: int) -> Sequence[AnyChange] | None:
        """Return the changes after that one; None when the store does not hold all of them."""

    @property
    def closed(self) -> bool:
        """Whether the process is shutting down: streams end."""


class PodLookup(Protocol):
    """Asks Kubernetes for pods that have no row: they wait for no image, or not yet.

    `admit` is called before each request to Kubernetes. Both methods raise what it raises.
    """

    async def has_images(self, namespace: str, name: str, admit: Callable[[], None]) -> bool | None:
        """Return whether all containers of the pod have their images; None when the pod does not exist."""

    async def pods_with_images(self, workload: Workload, admit: Callable[[], None]) -> tuple[int, int]:
        """Return the number of the workload's pods, and of those that have all their images."""
