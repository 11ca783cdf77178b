"""What the aggregator knows of a pull: the node's report joined with the pods that wait.

The aggregator makes these values and the server shows them; neither knows the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from pulltrace.pulls.model import Pull


@dataclass(frozen=True, slots=True, order=True)
class WaitingContainer:
    """A container that cannot start before the pull has ended."""

    namespace: str
    pod: str
    container: str
    image: str
    """As written in the pod's specification."""


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

    @property
    def id(self) -> str:
        return self.pull.id


@dataclass(frozen=True, slots=True)
class Change:
    """One row that changed, in the order in which the store took it in."""

    sequence: int
    before: PullView | None
    """None for a row that is new."""
    after: PullView | None
    """None for a row that is gone (its history has run out, or its node has)."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All rows at one moment; `Change`s after it have a greater sequence."""

    sequence: int
    pulls: Mapping[str, PullView]
    synced: bool
    """False until the Leases have been listed once: an empty snapshot then means nothing."""


class Subscription(Protocol):
    """Changes as they come, for one reader."""

    async def next(self, timeout_seconds: float) -> tuple[Change, ...] | None:
        """The changes since the last call, at least one; `()` when the timeout passed in silence;
        None when the reader was too slow (or the store closed) and must begin with a new snapshot.
        """

    def close(self) -> None: ...


class PullSource(Protocol):
    """What the server needs of the store."""

    def snapshot(self) -> Snapshot: ...

    def subscribe(self) -> tuple[Snapshot, Subscription]:
        """A snapshot and every change after it, without a gap between them."""

    @property
    def closed(self) -> bool:
        """True once the process is shutting down: streams end."""
