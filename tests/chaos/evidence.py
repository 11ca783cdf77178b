"""The data of a run: the pulls of containerd, the reports of Pulltrace, and the absences of agents.

All nodes run on this machine, so all times are Unix seconds of one clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from tests.chaos.spans import Span

JSON = dict[str, Any]
Outcome = Literal["completed", "failed", "killed"]
"""`killed`: containerd ended during the pull."""
ENDED = ("completed", "failed", "unknown")


@dataclass(frozen=True)
class TruePull:
    """A pull that a kubelet requested, by containerd's log."""

    node: str
    image: str
    began: float
    ended: float | None = None
    outcome: Outcome | None = None
    """None while it runs."""
    recorded: bool = False
    """Whether containerd wrote its image's record in that time."""

    @property
    def repository(self) -> str:
        return repository(self.image)

    def __str__(self) -> str:
        lasted = "still running" if self.ended is None else f"{self.outcome} after {self.ended - self.began:.2f} s"
        return f"{self.image} on {self.node}, begun {clock(self.began)}, {lasted}"


@dataclass(frozen=True)
class ReportedPull:
    """A row of Pulltrace."""

    row: JSON

    @property
    def id(self) -> str:
        return str(self.row["id"])

    @property
    def node(self) -> str:
        return str(self.row["nodeName"])

    @property
    def phase(self) -> str:
        return str(self.row["phase"])

    @property
    def ended(self) -> bool:
        return self.phase in ENDED

    @property
    def reached(self) -> bool:
        """False for a row that only the pods report."""
        return bool(self.row.get("reachedContainerd", True))

    @property
    def began(self) -> float:
        return datetime.fromisoformat(self.row["startedAt"]).timestamp()

    @property
    def names(self) -> frozenset[str]:
        """All possible names and repositories; empty while nothing is known."""
        found = {self.row["imageRef"], *self.row.get("repositories", ()), *self.row.get("imageCandidates", ())}
        return frozenset(found - {""})

    def __str__(self) -> str:
        name = self.row["imageRef"] or "(no name)"
        if not self.row["imageRef"] and (may_be := self.row.get("imageCandidates")):
            name += f", one of {', '.join(may_be)},"
        return f"row {self.id}: {name} on {self.node}, begun {clock(self.began)}, {self.phase}"


@dataclass(frozen=True)
class StreamEvent:
    """An event of a replica's stream."""

    at: float
    connection: int
    """The number of the subscriber's connection to the replica, from 1."""
    event: JSON


@dataclass(frozen=True)
class Scrape:
    """A replica's counters at one moment; `counts` is None when it did not answer."""

    at: float
    leading: bool = False
    counts: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Replica:
    """All output of one pod of the aggregator."""

    name: str
    events: tuple[StreamEvent, ...] = ()
    scrapes: tuple[Scrape, ...] = ()
    rows: tuple[JSON, ...] | None = None
    """`GET /api/v1/pulls` at the end; None if the replica no longer runs."""


@dataclass(frozen=True)
class Fault:
    """Something that was broken on purpose."""

    at: float
    kind: str
    what: str


@dataclass(frozen=True)
class Evidence:
    """A whole run."""

    since: float
    """Pulltrace ran from then on; a pull that began before needs no row."""
    pulls: tuple[TruePull, ...]
    replicas: tuple[Replica, ...]
    absences: Mapping[str, tuple[Span, ...]] = field(default_factory=dict)
    """By node, when no agent polled."""
    fetched: Mapping[str, tuple[tuple[float, str], ...]] = field(default_factory=dict)
    """By node, when the node fetched which repository by digest, through its proxy."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Bytes of the layers of each image made for the run."""
    records: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By node, the names of the image records at the end."""
    failing: Mapping[str, Mapping[str, Span]] = field(default_factory=dict)
    """By node and image, the time during which a pod's status reported that it cannot be pulled."""
    faults: tuple[Fault, ...] = ()


def repository(image: str) -> str:
    """Return host and repository of a name."""
    name, _, last = image.partition("@")[0].rpartition("/")
    return f"{name}/{last.partition(':')[0]}"


def clock(at: float) -> str:
    """Format a time as logs do."""
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S.%f")[:-3]
