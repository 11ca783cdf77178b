"""From one subscription to many viewers: every event is written once, and all viewers are sent the same bytes.

The hub follows the source only while somebody watches. It gathers the changes of a moment (`WINDOW_SECONDS`),
writes their events into one block of text, and hands that block to each viewer's queue. It keeps the rows as of the
last block, so that a snapshot and the blocks after it fit together without a gap and without a step back.

A queue is short. A viewer that lets it fill up gets no backlog but a new snapshot, as soon as it reads again: what it
missed is history, and what it is told is always what is.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence

from pulltrace.pulls.view import Change, PodChange, PullSource, PullView, Snapshot, Subscription
from pulltrace.server import coalescing, wire
from pulltrace.server.fragments import Fragments

WINDOW_SECONDS = 0.25
"""Four pictures a second look live, and a burst of changes costs no more than that."""

QUEUED_BLOCKS = 16
"""A viewer that is so many windows (4 s of steady change) behind begins again with a snapshot."""

LOOK_SECONDS = 1.0
"""How often a silent source is asked whether it has closed, or has become complete."""

logger = logging.getLogger(__name__)


class TooManyViewers(Exception):
    """The cap of viewers is reached."""


class Viewer:
    """One reader of the stream: a short queue of blocks."""

    def __init__(self, snapshot: Callable[[], bytes], *, layers: bool) -> None:
        self.layers = layers
        self._snapshot = snapshot
        self._snapshot_due = True
        self._blocks: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._ended = False

    async def next(self, timeout_seconds: float) -> bytes | None:
        """What to send now; `b""` after so long a silence; None when the stream has ended."""
        if not (self._snapshot_due or self._blocks or self._ended):
            self._news.clear()
            try:
                async with asyncio.timeout(timeout_seconds):
                    await self._news.wait()
            except TimeoutError:
                return b""
        if self._snapshot_due:
            self._snapshot_due = False
            return self._snapshot()
        if self._blocks:
            gathered = b"".join(self._blocks)
            self._blocks.clear()
            return gathered
        return None

    def offer(self, block: bytes) -> None:
        if self._snapshot_due or self._ended:
            return
        if len(self._blocks) == QUEUED_BLOCKS:
            self.begin_again()
            return
        self._blocks.append(block)
        self._news.set()

    def begin_again(self) -> None:
        """Send a snapshot next, and nothing of what was queued."""
        self._blocks.clear()
        self._snapshot_due = True
        self._news.set()

    def end(self) -> None:
        """Send what is queued, and then no more."""
        self._ended = True
        self._news.set()


class Hub:
    """All viewers, and the task that follows the source while there are any."""

    def __init__(
        self,
        source: PullSource,
        fragments: Fragments,
        *,
        max_viewers: int,
        window_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self._source = source
        self._fragments = fragments
        self._max_viewers = max_viewers
        self._window_seconds = window_seconds
        self._clock = clock
        self._viewers: set[Viewer] = set()
        self._following: asyncio.Task[None] | None = None
        self._subscription: Subscription | None = None
        self._rows: dict[str, PullView] = {}
        self._sequence = 0
        self._synced = False
        self._snapshot: bytes | None = None

    def __len__(self) -> int:
        return len(self._viewers)

    def join(self, *, layers: bool) -> Viewer:
        """A new viewer, which begins with a snapshot; whoever joins must leave."""
        if len(self._viewers) >= self._max_viewers:
            raise TooManyViewers
        if self._following is None:
            self._following = asyncio.create_task(self._follow(self._subscribe()), name="hub of the live stream")
        viewer = Viewer(self._written_snapshot, layers=layers)
        self._viewers.add(viewer)
        return viewer

    def leave(self, viewer: Viewer) -> None:
        self._viewers.discard(viewer)
        if not self._viewers and self._following is not None:
            self._following.cancel()
            self._stop()

    async def _follow(self, subscription: Subscription) -> None:
        loop = asyncio.get_running_loop()
        gathered: list[Change] = []
        due = loop.time()
        try:
            while not self._source_closed():
                wait_seconds = max(0.0, due - loop.time()) if gathered else LOOK_SECONDS
                changes = await subscription.next(wait_seconds)
                if changes is None:
                    if self._source_closed():
                        break
                    # We were too slow. A moment's rest, so that this cannot become a busy loop.
                    await asyncio.sleep(self._window_seconds)
                    subscription = self._subscribe_again()
                    gathered = []
                    continue
                gathered += (change for change in changes if not isinstance(change, PodChange))
                if not self._synced and self._source.snapshot().synced:
                    subscription = self._subscribe_again()
                    gathered = []
                if gathered and loop.time() >= due:
                    self._publish(gathered)
                    gathered = []
                    due = loop.time() + self._window_seconds
            self._publish(gathered)
        except Exception:
            logger.exception("The live stream broke; its viewers are sent away and may come back")
        finally:
            if self._following is asyncio.current_task():
                self._stop()

    def _stop(self) -> None:
        """Follow no more. Whoever joins next begins anew."""
        self._following = None
        self._unsubscribe()
        for viewer in self._viewers:
            viewer.end()

    def _source_closed(self) -> bool:
        return self._source.closed

    def _subscribe(self) -> Subscription:
        snapshot, subscription = self._source.subscribe()
        self._subscription = subscription
        self._take(snapshot)
        return subscription

    def _unsubscribe(self) -> None:
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None

    def _subscribe_again(self) -> Subscription:
        self._unsubscribe()
        subscription = self._subscribe()
        for viewer in self._viewers:
            viewer.begin_again()
        return subscription

    def _take(self, snapshot: Snapshot) -> None:
        self._rows = dict(snapshot.pulls)
        self._sequence = snapshot.sequence
        self._synced = snapshot.synced
        self._snapshot = None

    def _publish(self, changes: Sequence[Change]) -> None:
        if not changes:
            return
        plain = self._written(changes, layers=False)
        layered = self._written(changes, layers=True) if any(viewer.layers for viewer in self._viewers) else b""
        for change in changes:
            if change.after is not None:
                self._rows[change.after.id] = change.after
            elif change.before is not None:
                self._rows.pop(change.before.id, None)
                self._fragments.forget(change.before.id)
        self._sequence = changes[-1].sequence
        self._snapshot = None
        for viewer in self._viewers:
            viewer.offer(layered if viewer.layers else plain)

    def _written(self, changes: Sequence[Change], *, layers: bool) -> bytes:
        now = self._clock()
        events: list[bytes] = []
        for event in coalescing.coalesce(changes, layers=layers):
            if isinstance(event, coalescing.PullEvent):
                data = wire.pull_event(event, self._fragments.of(event.view), now)
            else:
                data = wire.layer_event(event, now)
            events.append(wire.sse(data, sequence=event.sequence))
        return b"".join(events)

    def _written_snapshot(self) -> bytes:
        """The rows as of the last block, written once for all viewers that come before the next."""
        if self._snapshot is None:
            data = wire.document(
                self._fragments.of_all(self._rows.values()), synced=self._synced, now=self._clock(), kind="snapshot"
            )
            self._snapshot = wire.sse(data, sequence=self._sequence, name="snapshot")
        return self._snapshot
