"""How many viewers there may be, in all and from one address."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass

TITLE = "Too many viewers"


@dataclass(frozen=True, slots=True)
class Limits:
    """How many may watch at once."""

    viewers: int = 10_000
    viewers_per_address: int = 100
    """Behind a proxy all have its address, unless it is named as one that may say whom it serves (`peers`)."""


DEFAULT_LIMITS = Limits()


class Refused(Exception):
    """A viewer cannot be had; two sentences say why."""

    def __init__(self, title: str, detail: str) -> None:
        super().__init__(detail)
        self.title = title
        self.detail = detail


class Room:
    """Counts the viewers."""

    def __init__(self, limits: Limits, title: str = TITLE, what: str = "live streams") -> None:
        """`title` and `what` are for those who find no room."""
        self._limits = limits
        self._title = title
        self._what = what
        self._by_address: Counter[str] = Counter()
        self._count = 0
        self.empty = asyncio.Event()
        """Set while there are none."""
        self.empty.set()

    def __len__(self) -> int:
        return self._count

    def check(self, address: str) -> None:
        """Raises Refused when there is no room for another; `""` is an address that is not known, and has no bound."""
        limits = self._limits
        if len(self) >= limits.viewers:
            raise Refused(self._title, f"This replica serves {limits.viewers} {self._what}, which is all it may.")
        if address and self._by_address[address] >= limits.viewers_per_address:
            raise Refused(self._title, f"{address} has {limits.viewers_per_address} {self._what}, which is all it may.")

    def enter(self, address: str) -> None:
        self._by_address[address] += 1
        self._count += 1
        self.empty.clear()

    def leave(self, address: str) -> None:
        self._by_address[address] -= 1
        self._count -= 1
        if not self._by_address[address]:
            del self._by_address[address]
        if not self._by_address:
            self.empty.set()
