"""Events of a watch: the whole list first, then one change after another.

They follow the API server's watch events: `Upserted` is `ADDED` or `MODIFIED`, `Deleted` is `DELETED`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeAlias, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Replaced(Generic[Item]):
    """All items that exist now: any other was deleted."""

    items: tuple[Item, ...]
    whole: bool = True
    """False for a page, except the last, of a list of ephemeral objects."""


@dataclass(frozen=True, slots=True)
class Upserted(Generic[Item]):
    """One item is new or has changed."""

    item: Item


@dataclass(frozen=True, slots=True)
class Deleted:
    """One item was deleted."""

    key: str


WatchEvent: TypeAlias = Replaced[Item] | Upserted[Item] | Deleted


class WatchSource(Protocol[Item]):
    """A source of watch events without end: `Reflector` over the API server, or `MemoryStore` within a process."""

    def watch(self) -> AsyncIterator[WatchEvent[Item]]:
        """Yield a `Replaced`, then changes; a `Replaced` again whenever changes may have been missed."""
