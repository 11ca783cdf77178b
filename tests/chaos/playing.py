"""What a client of the event stream has after each event, and what happened to it on the way. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.chaos.evidence import ENDED, JSON, Heard


@dataclass(frozen=True)
class Step:
    """A row that came, changed or went."""

    after: float
    """It happened after this moment: when the event before it was heard, for a snapshot; else when it was heard."""
    at: float
    before: JSON | None
    row: JSON | None
    snapshot: bool
    """Whether a snapshot told of it: what it means for a row to be there is then up to what was missed."""

    @property
    def id(self) -> str:
        return str((self.row or self.before or {})["id"])

    def reaches(self, phase: str) -> bool:
        """Whether the row has now ended so, and had not ended before."""
        return self.row is not None and self.row["phase"] == phase and not (self.before and has_ended(self.before))


@dataclass
class Played:
    """A client at the end."""

    rows: dict[str, JSON] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)


def play(heard: Iterable[Heard]) -> Played:
    """Applies a stream as the documentation tells clients to."""
    client = Played()
    last_at = 0.0
    for one in heard:
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


def _replace_all(client: Played, rows: dict[str, JSON], after: float, at: float) -> None:
    for key in {**client.rows, **rows}:
        before, row = client.rows.get(key), rows.get(key)
        if before != row:
            client.steps.append(Step(after, at, before, row, snapshot=True))
    client.rows = rows


def has_ended(row: JSON) -> bool:
    return row["phase"] in ENDED
