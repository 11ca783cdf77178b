"""A bounded store that many namespaces share: a flood in one cannot drive out what others have. Pure.

Anybody who may create Events chooses how many there are. So when there is no more room, the namespace that takes the
most gives up its oldest entry.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class FairShare(Generic[Key]):
    """What is kept, by namespace: keys and sizes only; whoever keeps the values deletes those that are dropped."""

    def __init__(self, most: int) -> None:
        """`most`: what all entries together may take, in bytes or whatever their sizes are."""
        self._most = most
        self._sizes: dict[str, dict[Key, int]] = {}
        """Of each namespace the entries, oldest first."""
        self._taken: dict[str, int] = {}
        self.total = 0

    def put(self, namespace: str, key: Key, size: int) -> list[Key]:
        """Add an entry, or give it another size. Return the entries that had to go, which may be this one."""
        self.remove(namespace, key)
        self._sizes.setdefault(namespace, {})[key] = size
        self._taken[namespace] = self._taken.get(namespace, 0) + size
        self.total += size
        dropped = []
        while self.total > self._most:
            largest = max(self._taken, key=self._taken.__getitem__)
            oldest = next(iter(self._sizes[largest]))
            self.remove(largest, oldest)
            dropped.append(oldest)
        return dropped

    def remove(self, namespace: str, key: Key) -> None:
        """Forget an entry, if there is one."""
        entries = self._sizes.get(namespace, {})
        if (size := entries.pop(key, None)) is None:
            return
        self.total -= size
        self._taken[namespace] -= size
        if not entries:
            del self._sizes[namespace], self._taken[namespace]
