"""Answers of the API server, kept for a while: all who ask the same meanwhile share one, also while it is on its way.

The kept answers have a bound, and the oldest go first. The pending questions have a bound, too: while the API server
does not answer, clients go away and come back with others.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pulltrace.kube.errors import ApiUnreachable

Answer = TypeVar("Answer")

ERROR_SECONDS = 3.0
"""An API server that says no is not asked the same at once."""
MOST = 2000
MOST_PENDING = 500
"""As many as clients that may wait at once (`server.api.wait.WAITERS`)."""


@dataclass(slots=True, eq=False)
class _Entry(Generic[Answer]):
    task: asyncio.Task[Answer]
    until: float = math.inf
    """When it is asked again; never while the answer is on its way."""
    size: int = 1


class Answers(Generic[Answer]):
    """A bounded number of answers."""

    def __init__(
        self,
        monotonic: Callable[[], float],
        holds_seconds: Callable[[Answer], float],
        *,
        size: Callable[[Answer], int] = lambda answer: 1,
        most: int = MOST,
    ) -> None:
        """`holds_seconds` is how long an answer is kept; the sizes of all that are kept are `most` in sum."""
        self._monotonic = monotonic
        self._holds_seconds = holds_seconds
        self._size_of = size
        self._most = most
        self._entries: OrderedDict[Hashable, _Entry[Answer]] = OrderedDict()
        self._size = 0
        self._pending = 0

    def __len__(self) -> int:
        return len(self._entries)

    async def get(
        self, key: Hashable, ask: Callable[[], Coroutine[Any, Any, Answer]], admit: Callable[[], None]
    ) -> Answer:
        """Return the kept answer, or ask for a new one once `admit` has not raised.

        Raises `ApiUnreachable` while too many questions are pending.
        """
        entry = self._entries.get(key)
        if entry is None or self._monotonic() >= entry.until:
            if self._pending >= MOST_PENDING:
                raise ApiUnreachable(f"{self._pending} questions to the API server are pending")
            admit()
            entry = self._begin(key, ask)
        # A caller that goes away does not take the answer from the others.
        return await asyncio.shield(entry.task)

    def _begin(self, key: Hashable, ask: Callable[[], Coroutine[Any, Any, Answer]]) -> _Entry[Answer]:
        self._forget(key)
        entry = _Entry(asyncio.create_task(ask()))
        self._entries[key] = entry
        self._size += entry.size
        self._pending += 1
        entry.task.add_done_callback(lambda task: self._keep(key, entry))
        self._make_room()
        return entry

    def _keep(self, key: Hashable, entry: _Entry[Answer]) -> None:
        self._pending -= 1
        seconds = ERROR_SECONDS
        if not entry.task.cancelled() and entry.task.exception() is None:
            seconds = self._holds_seconds(entry.task.result())
            if self._entries.get(key) is entry:
                self._size += self._size_of(entry.task.result()) - entry.size
                entry.size = self._size_of(entry.task.result())
        entry.until = self._monotonic() + seconds
        self._make_room()

    def _make_room(self) -> None:
        now = self._monotonic()
        while self._entries:
            key, oldest = next(iter(self._entries.items()))
            if not oldest.task.done() or (now < oldest.until and self._size <= self._most):
                return
            self._forget(key)

    def _forget(self, key: Hashable) -> None:
        if (entry := self._entries.pop(key, None)) is not None:
            self._size -= entry.size
