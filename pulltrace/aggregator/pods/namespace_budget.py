"""A bounded store that namespaces share: a flood in one namespace cannot evict the entries of others. Pure.

Authors of Events choose how many they write. So when the store is full, the largest namespace loses its oldest entry.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


def text_bytes(text: str) -> int:
    """Estimate the memory of a text: with one character beyond ASCII, Python takes up to four bytes for each."""
    return len(text) * (1 if text.isascii() else 4)


class NamespaceBudget(Generic[Key]):
    """Keys and sizes of the entries, by namespace. The caller keeps the values, and deletes evicted ones."""

    def __init__(self, limit: int) -> None:
        """`limit`: of the sum of all sizes, in the caller's unit."""
        self._limit = limit
        self._sizes: dict[str, dict[Key, int]] = {}
        """The entries of each namespace, oldest first."""
        self._totals: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []
        """Negative totals of the namespaces, largest first. Outdated totals stay in it for a while."""
        self.total = 0

    def put(self, namespace: str, key: Key, size: int) -> list[Key]:
        """Add an entry, or change its size. Return the evicted entries, which may include this one."""
        self.remove(namespace, key)
        self._sizes.setdefault(namespace, {})[key] = size
        self._add(namespace, size)
        evicted = []
        while self.total > self._limit:
            largest = self._largest()
            oldest = next(iter(self._sizes[largest]))
            self.remove(largest, oldest)
            evicted.append(oldest)
        return evicted

    def remove(self, namespace: str, key: Key) -> None:
        """Remove an entry, if it is present."""
        entries = self._sizes.get(namespace, {})
        if (size := entries.pop(key, None)) is None:
            return
        self._add(namespace, -size)
        if not entries:
            del self._sizes[namespace], self._totals[namespace]

    def _add(self, namespace: str, size: int) -> None:
        self.total += size
        self._totals[namespace] = self._totals.get(namespace, 0) + size
        heapq.heappush(self._heap, (-self._totals[namespace], namespace))
        if len(self._heap) > 2 * len(self._totals):  # as many outdated totals as current ones
            self._heap = [(-total, name) for name, total in self._totals.items()]
            heapq.heapify(self._heap)

    def _largest(self) -> str:
        """Return the largest namespace, without a search through thousands of them."""
        while -self._heap[0][0] != self._totals.get(self._heap[0][1]):
            heapq.heappop(self._heap)
        return self._heap[0][1]
