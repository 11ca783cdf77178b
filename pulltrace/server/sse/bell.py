"""Wakes those who wait for pods: one task follows the source for all of them, and only while there are any."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pulltrace.pulls.view import AnyChange, PodChange, PodView, PullSource

LOOK_SECONDS = 1.0
"""How often a silent source is asked whether it has closed."""

Concerns = Callable[[PodView], bool]

logger = logging.getLogger(__name__)


class Bell:
    """Rings for whoever a change of a pod concerns."""

    def __init__(self, source: PullSource) -> None:
        self._source = source
        self._waiting: dict[asyncio.Event, Concerns] = {}
        self._following: asyncio.Task[None] | None = None

    @contextmanager
    def listening(self, concerns: Concerns) -> Iterator[asyncio.Event]:
        """An event that is set when a pod changes that it concerns, when anything may have, and at the end."""
        rung = asyncio.Event()
        self._waiting[rung] = concerns
        if self._following is None:
            self._following = asyncio.create_task(self._follow(), name="bell of those who wait")
        try:
            yield rung
        finally:
            del self._waiting[rung]
            if not self._waiting and self._following is not None:
                self._following.cancel()
                self._following = None

    async def _follow(self) -> None:
        try:
            while not self._source.closed:
                _, subscription = self._source.subscribe()
                try:
                    self._ring(None)  # what happened before this subscription may concern anybody
                    while (changes := await subscription.next(LOOK_SECONDS)) is not None:
                        for change in changes:
                            self._ring(change)
                finally:
                    subscription.close()
                await asyncio.sleep(0)
        except Exception:
            logger.exception("Nobody is woken any more; those who wait are answered now")
            self._following = None
        self._ring(None)

    def _ring(self, change: AnyChange | None) -> None:
        if change is None:
            for rung in self._waiting:
                rung.set()
        elif isinstance(change, PodChange):
            pod = change.after or change.before
            for rung, concerns in self._waiting.items():
                if pod is not None and concerns(pod):
                    rung.set()
