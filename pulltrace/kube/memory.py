"""The bus without a cluster: Leases in the memory of one process, for `standalone` and `demo`.

It keeps the contract of `KubeLeaseStore` and passes the same tests. Each watcher has its own queue; one
that does not read for a long time gets a new list instead of its backlog, as the API server would do.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator

from pulltrace.kube.leases import Gone, LeasePatch, LeaseRecord, Listed, Put, WatchEvent, is_ours

MAX_BACKLOG = 1000
"""Changes kept for a watcher that does not read; beyond it a list is both smaller and newer."""


class _Watcher:
    """What one reader has not read yet."""

    def __init__(self) -> None:
        self.backlog: deque[Put[LeaseRecord] | Gone] = deque()
        self.needs_list = True
        self.wake = asyncio.Event()

    def add(self, event: Put[LeaseRecord] | Gone) -> None:
        if not self.needs_list:
            self.backlog.append(event)
            if len(self.backlog) > MAX_BACKLOG:
                self.backlog.clear()
                self.needs_list = True
        self.wake.set()


class MemoryLeaseStore:
    """`LeaseWriting` and `LeaseWatching` over a dictionary."""

    def __init__(self) -> None:
        self._records: dict[str, LeaseRecord] = {}
        self._watchers: set[_Watcher] = set()
        self._version = 0

    async def get(self, name: str) -> LeaseRecord | None:
        return self._records.get(name)

    async def patch(self, name: str, patch: LeasePatch) -> LeaseRecord:
        before = self._records.get(name)
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
        self._records[name] = record
        self._tell(Put(record))
        return record

    async def delete(self, name: str) -> None:
        """What the garbage collector does when the Node is gone; nothing when there is no such Lease."""
        if self._records.pop(name, None) is not None:
            self._tell(Gone(name))

    async def watch(self) -> AsyncGenerator[WatchEvent[LeaseRecord], None]:
        watcher = _Watcher()
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

    def _tell(self, event: Put[LeaseRecord] | Gone) -> None:
        for watcher in self._watchers:
            watcher.add(event)
