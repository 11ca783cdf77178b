"""The state of a client of the event stream after each event, and its changes. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.chaos.evidence import ENDED, JSON, StreamEvent


@dataclass(frozen=True)
class Step:
    """A new, changed or removed row."""

    after: float
    """Lower bound of the change's time: for a snapshot the event before it, otherwise the event itself."""
    at: float
    before: JSON | None
    row: JSON | None
    snapshot: bool
    """Whether a snapshot brought it; the change itself may then have been missed."""

    @property
    def id(self) -> str:
        return str((self.row or self.before or {})["id"])

    def reaches(self, phase: str) -> bool:
        """Return whether the row has now ended in this phase, and had not ended before."""
        return self.row is not None and self.row["phase"] == phase and not (self.before and has_ended(self.before))


@dataclass
class Client:
    """A client at the end."""

    rows: dict[str, JSON] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)


def replay(events: Iterable[StreamEvent]) -> Client:
    """Apply a stream as the documentation describes it for clients."""
    client = Client()
    last_at = 0.0
    for one in events:
        event = one.event
        if event["type"] == "snapshot":
            _replace_all(client, {row["id"]: row for row in event["pulls"]}, last_at, one.at)
        elif (row := event.get("pull")) is not None:
            before = client.rows.pop(row["id"], None)
            gone = event["type"] == "pull.removed"
            if not gone:
                client.rows[row["id"]] = row
            client.steps.append(Step(one.at, one.at, before, None if gone else row, snapshot=False))
        last_at = one.at
    return client


def _replace_all(client: Client, rows: dict[str, JSON], after: float, at: float) -> None:
    for key in {**client.rows, **rows}:
        before, row = client.rows.get(key), rows.get(key)
        if before != row:
            client.steps.append(Step(after, at, before, row, snapshot=True))
    client.rows = rows


def has_ended(row: JSON) -> bool:
    return row["phase"] in ENDED
