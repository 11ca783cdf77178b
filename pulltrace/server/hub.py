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
from typing import TypeVar

from pulltrace.pulls.view import AnyChange, PodChange, PodView, PullSource, PullView, Snapshot, Subscription
from pulltrace.server.answering import BOOT
from pulltrace.server.clocks import Clocks
from pulltrace.server.fragments import Fragments
from pulltrace.server.groups import Frames, Group, Options

WINDOW_SECONDS = 0.25
"""Four pictures a second look live, and a burst of changes costs no more than that."""

QUEUED_BLOCKS = 16
"""A viewer that is so many windows (4 s of steady change) behind begins again with a snapshot."""

LOOK_SECONDS = 1.0
"""How often a silent source is asked whether it has closed, or has become complete."""

Row = TypeVar("Row", PullView, PodView)

logger = logging.getLogger(__name__)


class TooManyViewers(Exception):
    """The cap of viewers is reached."""


class Viewer:
    """One reader of the stream: a short queue of blocks."""

    def __init__(self, options: Options, snapshot: Callable[[], bytes]) -> None:
        self.options = options
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
        clocks: Clocks,
    ) -> None:
        self._source = source
        self._fragments = fragments
        self._max_viewers = max_viewers
        self._window_seconds = window_seconds
        self._clocks = clocks
        self._groups: dict[Options, Group] = {}
        self._viewers: set[Viewer] = set()
        self._following: asyncio.Task[None] | None = None
        self._subscription: Subscription | None = None
        self._pulls: dict[str, PullView] = {}
        self._pods: dict[str, PodView] = {}
        self._sequence = 0
        self._synced = False

    def __len__(self) -> int:
        return len(self._viewers)

    def join(self, options: Options) -> Viewer:
        """A new viewer, which begins with a snapshot; whoever joins must leave."""
        if len(self._viewers) >= self._max_viewers:
            raise TooManyViewers
        if self._following is None:
            self._following = asyncio.create_task(self._follow(self._subscribe()), name="hub of the live stream")
        group = self._groups.get(options)
        if group is None:
            group = self._groups[options] = Group(options, self._fragments, self._clocks)
            group.begin(self._pulls, self._pods)
        viewer = Viewer(options, lambda: self._snapshot_of(group))
        group.viewers.add(viewer)
        self._viewers.add(viewer)
        return viewer

    def leave(self, viewer: Viewer) -> None:
        self._viewers.discard(viewer)
        group = self._groups.get(viewer.options)
        if group is not None:
            group.viewers.discard(viewer)
            if not group.viewers:
                del self._groups[viewer.options]
        if not self._viewers and self._following is not None:
            self._following.cancel()
            self._stop()

    async def _follow(self, subscription: Subscription) -> None:
        loop = asyncio.get_running_loop()
        gathered: list[AnyChange] = []
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
                gathered += changes
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
        self._pulls = dict(snapshot.pulls)
        self._pods = dict(snapshot.pods)
        self._sequence = snapshot.sequence
        self._synced = snapshot.synced
        for group in self._groups.values():
            group.begin(self._pulls, self._pods)

    def _publish(self, changes: Sequence[AnyChange]) -> None:
        if not changes:
            return
        self._sequence = changes[-1].sequence
        frames = Frames(self._fragments, self._clocks)
        blocks = [(group, group.block(changes, frames, self._event_id)) for group in self._groups.values()]
        for change in changes:
            if isinstance(change, PodChange):
                self._put(self._pods, change.before, change.after)
            else:
                self._put(self._pulls, change.before, change.after)
        for group, block in blocks:
            if block:
                for viewer in group.viewers:
                    viewer.offer(block)

    def _put(self, rows: dict[str, Row], before: Row | None, after: Row | None) -> None:
        if after is not None:
            rows[after.id] = after
        elif before is not None:
            rows.pop(before.id, None)
            self._fragments.forget(before.id)

    @property
    def _event_id(self) -> bytes:
        return b"%s-%d" % (BOOT.encode(), self._sequence)

    def _snapshot_of(self, group: Group) -> bytes:
        return group.snapshot(self._pulls, self._pods, synced=self._synced, event_id=self._event_id)
