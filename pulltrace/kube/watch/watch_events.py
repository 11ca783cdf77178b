"""What a watch yields: the whole list first, then one change after another.

The names follow the API server's watch events: `Put` is `ADDED` or `MODIFIED`, `Gone` is `DELETED`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Listed(Generic[Item]):
    """All there is, now: whatever is not in it is gone."""

    items: tuple[Item, ...]
    whole: bool = True
    """False for a page of a list of news that is not the last one."""


@dataclass(frozen=True, slots=True)
class Put(Generic[Item]):
    """One is new or has changed."""

    item: Item


@dataclass(frozen=True, slots=True)
class Gone:
    """One was deleted."""

    key: str


WatchEvent: TypeAlias = Listed[Item] | Put[Item] | Gone
