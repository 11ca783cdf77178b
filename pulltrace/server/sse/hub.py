"""From one subscription to many viewers: every event is written once, and all viewers are sent the same bytes.

The hub follows the source only while somebody watches. It gathers the changes of a moment (`gathering`), writes their
events into one block of text for each group of viewers, and hands that block to each of them. It keeps the rows as of
the last block, so that a snapshot and the blocks after it fit together without a gap and without a step back.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TypeVar

from pulltrace.pulls.view import AnyChange, PodChange, PodView, PullSource, PullView, Snapshot, Subscription
from pulltrace.server.http.connection_limiter import TITLE, Refused, Room
from pulltrace.server.http.departures import Departures
from pulltrace.server.json.clock import Clocks
from pulltrace.server.json.event_ids import event_id, sequence_of
from pulltrace.server.json.row_cache import RowCache
from pulltrace.server.sse import throttle
from pulltrace.server.sse.client import Manners, Viewer
from pulltrace.server.sse.holding import too_dear
from pulltrace.server.sse.subscriber_group import Frames, Group
from pulltrace.server.sse.subscription_options import Options
from pulltrace.server.sse.throttle import Gathering

LOOK_SECONDS = 1.0
"""How often a silent source is asked whether it has closed, or has become complete."""

SLICE_VIEWERS = 200
"""After so many sends (a few milliseconds) others have their turn: a request does not wait for ten thousand viewers."""

MAX_MISSED_CHANGES = 2000
"""Who missed more than that is better served with a snapshot, which is written once for many."""

MAX_GROUPS = 200
"""Every change is looked at for every set of filters: 200 of them are about as much work as 2,000 viewers."""

Row = TypeVar("Row", PullView, PodView)

logger = logging.getLogger(__name__)


class Hub:
    """All viewers, and the task that follows the source while there are any."""

    def __init__(
        self,
        source: PullSource,
        fragments: RowCache,
        clocks: Clocks,
        *,
        room: Room,
        manners: Manners,
        window_seconds: Callable[[int], float] = throttle.window_seconds,
    ) -> None:
        self.window_seconds = window_seconds
        self.room = room
        self._source = source
        self._fragments = fragments
        self._clocks = clocks
        self._manners = manners
        self._groups: dict[Options, Group] = {}
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self._subscription: Subscription | None = None
        self._gathering = Gathering()
        self._pulls: dict[str, PullView] = {}
        self._pods: dict[str, PodView] = {}
        self._synced = False
        self._departures = Departures()
        self._leave = self.leave  # one bound method for all viewers

    def join(self, options: Options, address: str = "", last_event_id: str = "") -> Viewer:
        """A new viewer, which begins with a snapshot, or with what it missed; whoever joins must `leave`.

        Raises Refused.
        """
        if self._source.closed:
            raise Refused("Shutting down", "This replica ends now; others may serve.")
        if options not in self._groups and len(self._groups) >= MAX_GROUPS:
            raise Refused(TITLE, f"There are {MAX_GROUPS} different sets of filters, which is all there may be.")
        self.room.check(address)
        if not self._tasks:
            self._begin()
        group = self._groups.get(options)
        if group is None:
            group = self._groups[options] = Group(options, self._fragments, self._clocks, self._snapshot_of)
            group.begin(self._pulls, self._pods)
        now = asyncio.get_running_loop().time()
        viewer = Viewer(
            options,
            address,
            group.texts,
            self._missed(group, last_event_id) or self._snapshot_of(group),
            self._leave,
            ends_at=now + self._manners.max_age_seconds * random.uniform(0.9, 1.1),
        )
        group.viewers.add(viewer)
        self.room.enter(address)
        return viewer

    def watch(self, viewer: Viewer, transport: asyncio.Transport) -> None:
        """The viewer has its connection: notice when the peer ends it."""
        self._departures.watch(viewer, transport)

    def leave(self, viewer: Viewer) -> None:
        """Forget the viewer; a second time does nothing."""
        self._departures.forget(viewer)
        group = self._groups.get(viewer.options)
        if group is None or viewer not in group.viewers:
            return
        group.viewers.remove(viewer)
        self.room.leave(viewer.address)
        if not group.viewers:
            del self._groups[viewer.options]
        if not self.room:
            self._stop()

    def _missed(self, group: Group, last_event_id: str) -> bytes | None:
        """What a viewer missed that was away for a while; None when only a snapshot helps."""
        since = sequence_of(last_event_id)
        if since is None or since > self._gathering.sequence:
            return None
        changes = self._source.changes_after(since)
        if changes is None or len(changes) > MAX_MISSED_CHANGES:
            return None
        told = [
            change
            for change in changes
            if change.sequence <= self._gathering.sequence and not self._gathering.holds(change)
        ]
        return group.missed(since, told, Frames(self._fragments, self._clocks), self._event_id, synced=self._synced)

    def _begin(self) -> None:
        subscription = self._subscribe()
        self._tasks = (
            asyncio.create_task(self._follow(subscription), name="hub of the live stream"),
            asyncio.create_task(self._attend(), name="attendant of the live stream"),
        )

    def _stop(self) -> None:
        """Follow no more. Whoever joins next begins anew."""
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        self._tasks = ()
        self._unsubscribe()

    async def _follow(self, subscription: Subscription) -> None:
        loop = asyncio.get_running_loop()
        window_ends_at = loop.time()
        try:
            while not self._source_closed():
                changes = await self._next(subscription, window_ends_at)
                if changes is None:
                    if self._source_closed():
                        break
                    # We were too slow. A moment's rest, so that this cannot become a busy loop.
                    await asyncio.sleep(self.window_seconds(len(self.room)))
                    subscription = self._subscribe_again()
                    continue
                self._gathering.add(changes)
                if not self._synced and self._source.snapshot().synced:
                    subscription = self._subscribe_again()
                now = loop.time()
                if now >= max(window_ends_at, self._gathering.due_at()):
                    await self._publish(self._gathering.take(now))
                    window_ends_at = loop.time() + self.window_seconds(len(self.room))
            await self._publish(self._gathering.take(float("inf")))
        except Exception:
            logger.exception("The live stream broke; its viewers are sent away and may come back")
        await self._in_turn(lambda viewer, now: viewer.end())
        if asyncio.current_task() in self._tasks:
            self._stop()

    async def _next(self, subscription: Subscription, window_ends_at: float) -> Sequence[AnyChange] | None:
        """The next changes; while some wait to be told, not before the window ends."""
        if not self._gathering:
            return await subscription.next(LOOK_SECONDS)
        due_at = max(window_ends_at, self._gathering.due_at())
        # NOTE: sleeping wakes us once a window; the subscription would do so once a change.
        await asyncio.sleep(max(0.0, due_at - asyncio.get_running_loop().time()))
        return await subscription.next(0)

    async def _attend(self) -> None:
        while True:
            await asyncio.sleep(self._manners.look_seconds)
            await self._in_turn(lambda viewer, now: viewer.attend(now, self._manners))
            for viewer in too_dear(self._viewers(), self._manners.held_bytes):
                viewer.cut_off()
            for group in self._groups.values():
                group.forget_missed()
            self._fragments.keep_only(self._pulls, self._pods)  # who comes back is told of rows that are gone

    async def _in_turn(self, act: Callable[[Viewer, float], None], viewers: Iterable[Viewer] | None = None) -> None:
        """For every viewer, a slice of them at a time."""
        if viewers is None:
            viewers = self._viewers()
        now = asyncio.get_running_loop().time()
        for number, viewer in enumerate(viewers, 1):
            act(viewer, now)
            if number % SLICE_VIEWERS == 0:
                await asyncio.sleep(0)
                now = asyncio.get_running_loop().time()

    def _viewers(self) -> list[Viewer]:
        return [viewer for group in self._groups.values() for viewer in group.viewers]

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
        for group in self._groups.values():
            for viewer in group.viewers:
                viewer.begin_again()
        return subscription

    def _take(self, snapshot: Snapshot) -> None:
        self._pulls = dict(snapshot.pulls)
        self._pods = dict(snapshot.pods)
        self._gathering.begin(snapshot.sequence)
        self._synced = snapshot.synced
        self._fragments.keep_only(self._pulls, self._pods)  # rows that went while nobody watched
        for group in self._groups.values():
            group.begin(self._pulls, self._pods)

    async def _publish(self, changes: Sequence[AnyChange]) -> None:
        frames = Frames(self._fragments, self._clocks)
        # Whoever joins while the blocks go out has all this in its snapshot.
        blocks = [
            (list(group.viewers), group.block(changes, frames, self._event_id)) for group in self._groups.values()
        ]
        for change in changes:
            if isinstance(change, PodChange):
                self._put(self._pods, change.before, change.after)
            else:
                self._put(self._pulls, change.before, change.after)
        for viewers, block in blocks:
            if block:
                await self._in_turn(partial(_offer, block), viewers)

    def _put(self, rows: dict[str, Row], before: Row | None, after: Row | None) -> None:
        if after is not None:
            rows[after.id] = after
        elif before is not None:
            rows.pop(before.id, None)
            self._fragments.forget(before.id)

    @property
    def _event_id(self) -> bytes:
        return event_id(self._gathering.told)

    def _snapshot_of(self, group: Group) -> bytes:
        return group.snapshot(self._pulls, self._pods, synced=self._synced, event_id=self._event_id)


def _offer(block: bytes, viewer: Viewer, now: float) -> None:
    viewer.offer(block, now)
