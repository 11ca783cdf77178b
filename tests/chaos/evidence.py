"""What a run has collected: what containerd did, what Pulltrace said of it, and who was away when.

All times are Unix seconds of this one machine, on which all nodes run, so they can be compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from tests.chaos.spans import Span

JSON = dict[str, Any]
Outcome = Literal["completed", "failed", "killed"]
"""`killed`: containerd ended in the middle of it."""
ENDED = ("completed", "failed", "unknown")


@dataclass(frozen=True)
class TruePull:
    """A pull that a kubelet asked for, as containerd's log tells it."""

    node: str
    image: str
    began: float
    ended: float | None = None
    outcome: Outcome | None = None
    """None while it runs."""
    recorded: bool = False
    """Whether its image's record was written in that time."""

    @property
    def repository(self) -> str:
        return repository(self.image)

    def __str__(self) -> str:
        lasted = "still running" if self.ended is None else f"{self.outcome} after {self.ended - self.began:.2f} s"
        return f"{self.image} on {self.node}, begun {clock(self.began)}, {lasted}"


@dataclass(frozen=True)
class ToldPull:
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
        """False for one that only the pods tell of."""
        return bool(self.row.get("reachedContainerd", True))

    @property
    def began(self) -> float:
        return datetime.fromisoformat(self.row["startedAt"]).timestamp()

    @property
    def names(self) -> frozenset[str]:
        """All that it may be of: names and repositories; empty while nothing is known."""
        found = {self.row["imageRef"], *self.row.get("repositories", ()), *self.row.get("imageCandidates", ())}
        return frozenset(found - {""})

    def __str__(self) -> str:
        name = self.row["imageRef"] or "(no name)"
        if not self.row["imageRef"] and (may_be := self.row.get("imageCandidates")):
            name += f", one of {', '.join(may_be)},"
        return f"row {self.id}: {name} on {self.node}, begun {clock(self.began)}, {self.phase}"


@dataclass(frozen=True)
class Heard:
    """An event of a replica's stream."""

    at: float
    connection: int
    """Which connection of this reader to the replica, from 1."""
    event: JSON


@dataclass(frozen=True)
class Scrape:
    """A replica's counters at one moment; `counts` is None when it did not answer."""

    at: float
    leading: bool = False
    counts: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Replica:
    """All that an aggregator's pod has said."""

    name: str
    heard: tuple[Heard, ...] = ()
    scrapes: tuple[Scrape, ...] = ()
    rows: tuple[JSON, ...] | None = None
    """`GET /api/v1/pulls` at the end; None of one that is gone by then."""


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
    """From then on Pulltrace was there; what began before is not asked for."""
    pulls: tuple[TruePull, ...]
    replicas: tuple[Replica, ...]
    absences: Mapping[str, tuple[Span, ...]] = field(default_factory=dict)
    """By node, when no agent was looking."""
    fetched: Mapping[str, tuple[tuple[float, str], ...]] = field(default_factory=dict)
    """By node, when which repository was asked for a blob or a manifest by digest, through the node's proxy."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """The bytes of the layers of the images that were made for the run, by name."""
    records: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By node, the names of the image records at the end."""
    said: Mapping[str, Mapping[str, Span]] = field(default_factory=dict)
    """By node and image, from when to when the status of a pod said that it cannot be pulled."""
    faults: tuple[Fault, ...] = ()


def repository(image: str) -> str:
    """Host and repository of a name."""
    name, _, last = image.partition("@")[0].rpartition("/")
    return f"{name}/{last.partition(':')[0]}"


def clock(at: float) -> str:
    """A time as logs write it."""
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S.%f")[:-3]
