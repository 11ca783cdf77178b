"""Stores without an API server: Leases, pods and Events in the memory of one process, for `standalone` and `demo`.

`MemoryLeaseStore` keeps the contract of `KubeLeaseStore` and its `Reflector` and passes the same tests. Each watcher
has a queue; one that does not read for a long time gets a new list instead of its backlog, as from the API server.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from typing import Generic, TypeVar

from pulltrace.kube.resources.leases import LeasePatch, LeaseRecord, is_own_annotation
from pulltrace.kube.watch.watch_events import Deleted, Replaced, Upserted, WatchEvent

MAX_BACKLOG = 1000
"""Most queued changes of a watcher; a new list is smaller than more of them."""

Item = TypeVar("Item")


class _Watcher(Generic[Item]):
    """The events that one reader has not read."""

    def __init__(self) -> None:
        self.backlog: deque[Upserted[Item] | Deleted] = deque()
        self.needs_list = True
        self.wake = asyncio.Event()

    def add(self, event: Upserted[Item] | Deleted) -> None:
        if not self.needs_list:
            self.backlog.append(event)
            if len(self.backlog) > MAX_BACKLOG:
                self.backlog.clear()
                self.needs_list = True
        self.wake.set()


class MemoryStore(Generic[Item]):
    """Records by key, and a `WatchSource` of their changes."""

    def __init__(self) -> None:
        self._records: dict[str, Item] = {}
        self._watchers: set[_Watcher[Item]] = set()

    def read(self, key: str) -> Item | None:
        return self._records.get(key)

    def put(self, key: str, record: Item) -> None:
        self._records[key] = record
        self._notify(Upserted(record))

    def remove(self, key: str) -> None:
        if self._records.pop(key, None) is not None:
            self._notify(Deleted(key))

    def keep_newest(self, count: int) -> None:
        """Remove the oldest records without an event, as the API server's expiry of Events appears to a watch."""
        while len(self._records) > count:
            del self._records[next(iter(self._records))]

    async def watch(self) -> AsyncGenerator[WatchEvent[Item], None]:
        watcher: _Watcher[Item] = _Watcher()
        self._watchers.add(watcher)
        try:
            while True:
                if watcher.needs_list:
                    watcher.needs_list = False
                    yield Replaced(tuple(self._records.values()))
                elif watcher.backlog:
                    yield watcher.backlog.popleft()
                else:
                    watcher.wake.clear()
                    await watcher.wake.wait()
        finally:
            self._watchers.discard(watcher)

    def _notify(self, event: Upserted[Item] | Deleted) -> None:
        for watcher in self._watchers:
            watcher.add(event)


class MemoryLeaseStore(MemoryStore[LeaseRecord]):
    """`LeaseWriting` over a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self._version = 0

    async def get(self, name: str) -> LeaseRecord | None:
        return self.read(name)

    async def patch(self, name: str, patch: LeasePatch) -> LeaseRecord:
        before = self.read(name)
        annotations = dict(before.annotations) if before else {}
        for key, value in patch.annotations.items():
            if value is None:
                annotations.pop(key, None)
            elif is_own_annotation(key):
                annotations[key] = value
        self._version += 1
        record = LeaseRecord(
            name=name,
            annotations=annotations,
            holder=patch.holder,
            renewed_at=round(patch.renewed_at, 6),  # as exact as a MicroTime
            duration_seconds=patch.duration_seconds,
            version=str(self._version),
        )
        self.put(name, record)
        return record
