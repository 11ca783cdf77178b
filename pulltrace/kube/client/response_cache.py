"""A cache of the API server's responses: callers with the same key share one, also while its request is pending.

Kept responses are limited, and the oldest are evicted first. Pending requests are limited as well: while the API server
does not respond, clients disconnect and return with other keys.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pulltrace.kube.errors import ApiUnreachable

Response = TypeVar("Response")

ERROR_SECONDS = 3.0
"""How long an error is kept."""
MAX_SIZE = 2000
MAX_PENDING = 500
"""As many as clients that may wait at once (`server.api.wait.WAITERS`)."""


@dataclass(slots=True, eq=False)
class _Entry(Generic[Response]):
    task: asyncio.Task[Response]
    expires_at: float = math.inf
    """Never while the request is pending."""
    size: int = 1


class ResponseCache(Generic[Response]):
    """A bounded number of responses by key."""

    def __init__(
        self,
        monotonic: Callable[[], float],
        ttl_seconds: Callable[[Response], float],
        *,
        size: Callable[[Response], int] = lambda response: 1,
        max_size: int = MAX_SIZE,
    ) -> None:
        """`ttl_seconds`: how long a response is kept; `max_size`: largest sum of the sizes of all kept responses."""
        self._monotonic = monotonic
        self._ttl_seconds = ttl_seconds
        self._size_of = size
        self._max_size = max_size
        self._entries: OrderedDict[Hashable, _Entry[Response]] = OrderedDict()
        self._size = 0
        self._pending = 0

    def __len__(self) -> int:
        return len(self._entries)

    async def get(
        self, key: Hashable, fetch: Callable[[], Coroutine[Any, Any, Response]], admit: Callable[[], None]
    ) -> Response:
        """Return the kept response, or fetch a new one unless `admit` raises.

        Raises `ApiUnreachable` while too many requests are pending, and the error of `fetch`.
        """
        entry = self._entries.get(key)
        if entry is None or self._monotonic() >= entry.expires_at:
            if self._pending >= MAX_PENDING:
                raise ApiUnreachable(f"{self._pending} requests to the API server are pending")
            admit()
            entry = self._fetch(key, fetch)
        # A caller that disconnects does not cancel the request of the others.
        return await asyncio.shield(entry.task)

    def _fetch(self, key: Hashable, fetch: Callable[[], Coroutine[Any, Any, Response]]) -> _Entry[Response]:
        self._remove(key)
        entry = _Entry(asyncio.create_task(fetch()))
        self._entries[key] = entry
        self._size += entry.size
        self._pending += 1
        entry.task.add_done_callback(lambda task: self._keep(key, entry))
        self._evict()
        return entry

    def _keep(self, key: Hashable, entry: _Entry[Response]) -> None:
        self._pending -= 1
        seconds = ERROR_SECONDS
        if not entry.task.cancelled() and entry.task.exception() is None:
            seconds = self._ttl_seconds(entry.task.result())
            if self._entries.get(key) is entry:
                self._size += self._size_of(entry.task.result()) - entry.size
                entry.size = self._size_of(entry.task.result())
        entry.expires_at = self._monotonic() + seconds
        self._evict()

    def _evict(self) -> None:
        now = self._monotonic()
        while self._entries:
            key, oldest = next(iter(self._entries.items()))
            if not oldest.task.done() or (now < oldest.expires_at and self._size <= self._max_size):
                return
            self._remove(key)

    def _remove(self, key: Hashable) -> None:
        if (entry := self._entries.pop(key, None)) is not None:
            self._size -= entry.size
