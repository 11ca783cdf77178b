"""The bus without a cluster: Leases in the memory of one process, for `standalone` and `demo`.

`MemoryLeaseStore` keeps the contract of `KubeLeaseStore` and `KubeLeaseWatch` and passes the same tests. Below
it is `MemoryStore`, which does the same for any kind of record (the demo's pods). Each watcher has its own queue;
one that does not read for a long time gets a new list instead of its backlog, as the API server would do.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Generic, TypeVar

from pulltrace.kube.resources.leases import LeasePatch, LeaseRecord, is_ours
from pulltrace.kube.watch.watch_events import Gone, Listed, Put, WatchEvent

MAX_BACKLOG = 1000
"""Changes kept for a watcher that does not read; beyond it a list is both smaller and newer."""

Item = TypeVar("Item")


class _Watcher(Generic[Item]):
    """What one reader has not read yet."""

    def __init__(self) -> None:
        self.backlog: deque[Put[Item] | Gone] = deque()
        self.needs_list = True
        self.wake = asyncio.Event()

    def add(self, event: Put[Item] | Gone) -> None:
        if not self.needs_list:
            self.backlog.append(event)
            if len(self.backlog) > MAX_BACKLOG:
                self.backlog.clear()
                self.needs_list = True
        self.wake.set()


class MemoryStore(Generic[Item]):
    """Records by key, and watchers that hear of every change."""

    def __init__(self) -> None:
        self._records: dict[str, Item] = {}
        self._watchers: set[_Watcher[Item]] = set()

    def read(self, key: str) -> Item | None:
        return self._records.get(key)

    def put(self, key: str, record: Item) -> None:
        self._records[key] = record
        self._tell(Put(record))

    def remove(self, key: str) -> None:
        if self._records.pop(key, None) is not None:
            self._tell(Gone(key))

    def keep_newest(self, count: int) -> None:
        """Forgets the oldest without a word to anybody, as the API server does with Events."""
        while len(self._records) > count:
            del self._records[next(iter(self._records))]

    async def watch(self) -> AsyncGenerator[WatchEvent[Item], None]:
        watcher: _Watcher[Item] = _Watcher()
        self._watchers.add(watcher)
        try:
            while True:
                if watcher.needs_list:
                    watcher.needs_list = False
                    yield Listed(tuple(self._records.values()))
                elif watcher.backlog:
                    yield watcher.backlog.popleft()
                else:
                    watcher.wake.clear()
                    await watcher.wake.wait()
        finally:
            self._watchers.discard(watcher)

    def _tell(self, event: Put[Item] | Gone) -> None:
        for watcher in self._watchers:
            watcher.add(event)


class MemoryLeaseStore:
    """`LeaseWriting` and `LeaseWatching` over a dictionary."""

    def __init__(self) -> None:
        self._leases: MemoryStore[LeaseRecord] = MemoryStore()
        self._version = 0

    async def get(self, name: str) -> LeaseRecord | None:
        return self._leases.read(name)

    async def patch(self, name: str, patch: LeasePatch) -> LeaseRecord:
        before = self._leases.read(name)
        annotations = dict(before.annotations) if before else {}
        for key, value in patch.annotations.items():
            if value is None:
                annotations.pop(key, None)
            elif is_ours(key):
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
        self._leases.put(name, record)
        return record

    async def delete(self, name: str) -> None:
        """What the garbage collector does when the Node is gone; nothing when there is no such Lease."""
        self._leases.remove(name)

    async def watch(self) -> AsyncGenerator[WatchEvent[LeaseRecord], None]:
        async with aclosing(self._leases.watch()) as events:
            async for event in events:
                yield event
