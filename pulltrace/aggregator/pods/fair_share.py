"""A bounded store that many namespaces share: a flood in one cannot drive out what others have. Pure.

Authors of Events choose their number. So when the store is full, the largest namespace gives up its oldest entry.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


def text_bytes(text: str) -> int:
    """Estimated memory of a text: one character that is not ASCII makes Python take up to four bytes for each."""
    return len(text) * (1 if text.isascii() else 4)


class FairShare(Generic[Key]):
    """Keys and sizes of the entries, by namespace. The caller keeps the values, and deletes those that are dropped."""

    def __init__(self, most: int) -> None:
        """`most`: what all entries together may take, in bytes or whatever their sizes are."""
        self._most = most
        self._sizes: dict[str, dict[Key, int]] = {}
        """The entries of each namespace, oldest first."""
        self._taken: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []
        """Sizes of the namespaces, negative so that the largest comes first. Outdated sizes stay in it for a while."""
        self.total = 0

    def put(self, namespace: str, key: Key, size: int) -> list[Key]:
        """Add an entry, or give it another size. Return the entries that had to go, which may be this one."""
        self.remove(namespace, key)
        self._sizes.setdefault(namespace, {})[key] = size
        self._grow(namespace, size)
        dropped = []
        while self.total > self._most:
            largest = self._largest()
            oldest = next(iter(self._sizes[largest]))
            self.remove(largest, oldest)
            dropped.append(oldest)
        return dropped

    def remove(self, namespace: str, key: Key) -> None:
        """Forget an entry, if there is one."""
        entries = self._sizes.get(namespace, {})
        if (size := entries.pop(key, None)) is None:
            return
        self._grow(namespace, -size)
        if not entries:
            del self._sizes[namespace], self._taken[namespace]

    def _grow(self, namespace: str, size: int) -> None:
        self.total += size
        self._taken[namespace] = self._taken.get(namespace, 0) + size
        heapq.heappush(self._heap, (-self._taken[namespace], namespace))
        if len(self._heap) > 2 * len(self._taken):  # as many sizes of the past as of now
            self._heap = [(-taken, name) for name, taken in self._taken.items()]
            heapq.heapify(self._heap)

    def _largest(self) -> str:
        """The namespace that takes the most; in a cluster with thousands of them, without looking at all."""
        while -self._heap[0][0] != self._taken.get(self._heap[0][1]):
            heapq.heappop(self._heap)
        return self._heap[0][1]
