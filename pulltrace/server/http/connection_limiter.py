"""How many long connections (streams, waits) a replica serves, in all and for one address."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How many connections of one kind may be open at once."""

    total: int = 10_000
    per_address: int = 100
    """All clients of a proxy have its address, unless the proxy is trusted (`client_address`)."""


DEFAULT_LIMITS = ConnectionLimits()


class TooManyConnections(Exception):
    """A limit is reached; the message is a sentence for the client."""


class ConnectionLimiter:
    """Counts the open connections of one kind."""

    def __init__(self, limits: ConnectionLimits, kind: str = "live streams") -> None:
        """`kind` is for the messages."""
        self._limits = limits
        self._kind = kind
        self._by_address: Counter[str] = Counter()
        self._count = 0
        self.empty = asyncio.Event()
        """Set while none is open."""
        self.empty.set()

    def __len__(self) -> int:
        return self._count

    def check(self, address: str) -> None:
        """Raise TooManyConnections where another connection would exceed a limit; an unknown address (`""`) has none."""
        limits = self._limits
        if self._count >= limits.total:
            raise TooManyConnections(f"This replica serves {limits.total} {self._kind}, which is its limit.")
        if address and self._by_address[address] >= limits.per_address:
            raise TooManyConnections(
                f"{address} has {limits.per_address} {self._kind}, which is the limit for one address."
            )

    def acquire(self, address: str) -> None:
        """Count a connection; pair with `release`. Raises TooManyConnections."""
        self.check(address)
        self._by_address[address] += 1
        self._count += 1
        self.empty.clear()

    def release(self, address: str) -> None:
        self._by_address[address] -= 1
        self._count -= 1
        if not self._by_address[address]:
            del self._by_address[address]
        if not self._count:
            self.empty.set()
