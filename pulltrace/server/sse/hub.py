"""From one subscription of the source to many subscribers: each event is encoded once, and all receive the same bytes.

The hub follows the source only while it has subscribers. It collects the changes of a window (`throttle`), encodes their events
into one frame for each group of subscribers, and puts that frame into their queues. It keeps the rows as of the last frame, so a
snapshot and the frames after it fit without a gap and without a step back.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TypeVar

from pulltrace.pulls.view import AnyChange, PodChange, PodView, PullSource, PullView, Snapshot, Subscription
from pulltrace.server.http.connection_limiter import ConnectionLimiter, TooManyConnections
from pulltrace.server.json.clock import Clocks
from pulltrace.server.json.event_ids import event_id, sequence_of
from pulltrace.server.json.row_cache import RowCache
from pulltrace.server.sse import throttle
from pulltrace.server.sse.subscriber import Subscriber, over_budget, total_bytes
from pulltrace.server.sse.subscriber_group import KEEP_ALIVE, EventEncoder, SubscriberGroup, farewell
from pulltrace.server.sse.subscription_options import SubscriptionOptions
from pulltrace.server.sse.throttle import Throttle

POLL_SECONDS = 1.0
"""How often the hub checks whether a silent source has closed or has become complete."""

SLICE_SUBSCRIBERS = 100
"""Subscribers that are woken before other tasks run: a request does not wait for ten thousand sends."""

MAX_RESUMED_CHANGES = 2000
"""A client that missed more is better served by a snapshot, which is encoded once for many."""

MAX_GROUPS = 200
"""Each change is matched with each set of filters: 200 of them are about as much work as 2,000 subscribers."""

Row = TypeVar("Row", PullView, PodView)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StreamPolicy:
    """How subscribers are served. The write deadline is that of all connections (`http.deadlines`)."""

    keep_alive_seconds: float = 12.0
    """Silence before a keep-alive comment: proxies close silent connections, and the docs promise 15 s."""
    max_age_seconds: float = 30 * 60.0
    """About when a stream ends and its client reconnects, so that clients spread over the replicas of the moment."""
    check_seconds: float = 1.0
    """How often these limits are checked."""
    queued_bytes: int = 64 * 1024 * 1024
    """Limit for the frames that the queues and the groups hold together (`over_budget`)."""


DEFAULT_POLICY = StreamPolicy()


class Hub:
    """All subscribers, and the tasks that serve them."""

    def __init__(
        self,
        source: PullSource,
        row_cache: RowCache,
        clocks: Clocks,
        *,
        limiter: ConnectionLimiter,
        policy: StreamPolicy,
        window_seconds: Callable[[int], float] = throttle.window_seconds,
    ) -> None:
        self._window_seconds = window_seconds
        self._limiter = limiter
        self._source = source
        self._row_cache = row_cache
        self._clocks = clocks
        self._policy = policy
        self._groups: dict[SubscriptionOptions, SubscriberGroup] = {}
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self._subscription: Subscription | None = None
        self._throttle = Throttle()
        self._pulls: dict[str, PullView] = {}
        self._pods: dict[str, PodView] = {}
        self._synced = False

    def subscribe(self, options: SubscriptionOptions, address: str = "", last_event_id: str = "") -> Subscriber:
        """Add a subscriber, which begins with a snapshot or with the changes that it missed; pair with `unsubscribe`.

        Raises TooManyConnections.
        """
        if options not in self._groups:
            self._check_new_group()
        self._limiter.check(address)
        if not self._tasks:
            self._start()
        now = asyncio.get_running_loop().time()
        group = self._groups.get(options)
        if group is None:
            group = SubscriberGroup(options, self._row_cache, self._clocks, now=now)
            group.reset(self._pulls, self._pods)
        subscriber = Subscriber(
            options,
            address,
            self._resumed(group, last_event_id) or self._snapshot(group),
            partial(self._snapshot, group),
            expires_at=now + self._policy.max_age_seconds * random.uniform(0.9, 1.1),
        )
        self._groups[options] = group
        group.subscribers.add(subscriber)
        self._limiter.acquire(address)
        return subscriber

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Remove the subscriber."""
        group = self._groups[subscriber.options]
        group.subscribers.remove(subscriber)
        self._limiter.release(subscriber.address)
        if not group.subscribers:
            del self._groups[subscriber.options]
        if not self._groups:
            self._stop()

    def close(self) -> None:
        """End all streams at once."""
        for subscriber in self._subscribers():
            subscriber.close()

    def _check_new_group(self) -> None:
        """Raise TooManyConnections where one more group, which needs frames of its own, would exceed a limit."""
        if len(self._groups) >= MAX_GROUPS:
            raise TooManyConnections(f"This replica serves {MAX_GROUPS} different sets of filters, which is its limit.")
        if self._is_over_budget():
            megabytes = self._policy.queued_bytes >> 20
            raise TooManyConnections(f"Other subscribers wait for {megabytes} MiB of events, which is the limit.")

    def _is_over_budget(self) -> bool:
        """Return whether the queues hold too much, without the frames that the groups keep: it drops them first."""
        if total_bytes(self._held_frames()) <= self._policy.queued_bytes:
            return False
        for group in self._groups.values():
            group.forget_frames()
        return total_bytes(self._held_frames()) > self._policy.queued_bytes

    def _held_frames(self) -> Iterator[bytes]:
        for group in self._groups.values():
            yield from chain(group.kept_frames, *(subscriber.queued for subscriber in group.subscribers))

    def _close_over_budget(self) -> None:
        for subscriber in over_budget(self._subscribers(), self._policy.queued_bytes):
            subscriber.close()

    def _snapshot(self, group: SubscriberGroup) -> bytes:
        # All groups encode a snapshot in one turn of the event loop when the hub restarts.
        if not group.kept_frames and self._is_over_budget():
            self._close_over_budget()
        return group.snapshot(self._pulls, self._pods, synced=self._synced, event_id=self._event_id)

    def _resumed(self, group: SubscriberGroup, last_event_id: str) -> bytes | None:
        """Return the changes that a client missed; None when it needs a snapshot."""
        since = sequence_of(last_event_id)
        if since is None or since > self._throttle.sequence:
            return None
        changes = self._source.changes_after(since)
        if changes is None or len(changes) > MAX_RESUMED_CHANGES:
            return None
        published = [
            change
            for change in changes
            if change.sequence <= self._throttle.sequence and not self._throttle.is_pending(change)
        ]
        encoder = EventEncoder(self._row_cache, self._clocks)
        return group.resumed(since, published, encoder, self._event_id, synced=self._synced)

    @property
    def _event_id(self) -> bytes:
        return event_id(self._throttle.published_sequence)

    def _start(self) -> None:
        subscription = self._follow_source()
        self._tasks = (
            asyncio.create_task(self._publish_changes(subscription), name="event stream: publish"),
            asyncio.create_task(self._maintain(), name="event stream: maintain"),
        )

    def _stop(self) -> None:
        """Stop following the source; the next subscriber starts again."""
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        self._tasks = ()
        self._leave_source()

    async def _publish_changes(self, subscription: Subscription) -> None:
        loop = asyncio.get_running_loop()
        window_ends_at = loop.time()
        try:
            while not self._source_closed():
                changes = await self._next(subscription, window_ends_at)
                if changes is None:
                    if self._source_closed():
                        break
                    # The hub was too slow. The pause keeps this from becoming a busy loop.
                    await asyncio.sleep(self._window_seconds(len(self._limiter)))
                    subscription = self._restart()
                    continue
                self._throttle.add(changes)
                if not self._synced and self._source.snapshot().synced:
                    subscription = self._restart()
                now = loop.time()
                if now >= max(window_ends_at, self._throttle.ready_at()):
                    await self._publish(self._throttle.pop_ready(now))
                    # The window includes the sends, which take a part of it, and leaves a moment for all else.
                    window_ends_at = max(
                        now + self._window_seconds(len(self._limiter)),
                        loop.time() + throttle.SHORTEST_WINDOW_SECONDS,
                    )
            await self._publish(self._throttle.pop_ready(float("inf")))
        except Exception:
            logger.exception("The event stream failed; its subscribers are disconnected and may reconnect")
        await self._in_slices(lambda subscriber: subscriber.end(farewell()))
        if asyncio.current_task() in self._tasks:
            self._stop()

    async def _next(self, subscription: Subscription, window_ends_at: float) -> Sequence[AnyChange] | None:
        """Return the next changes; while some are pending, not before the window ends."""
        if not self._throttle:
            return await subscription.next(POLL_SECONDS)
        ready_at = max(window_ends_at, self._throttle.ready_at())
        # NOTE: a sleep wakes the task once a window; the subscription would wake it once a change.
        await asyncio.sleep(max(0.0, ready_at - asyncio.get_running_loop().time()))
        return await subscription.next(0)

    async def _publish(self, changes: Sequence[AnyChange]) -> None:
        encoder = EventEncoder(self._row_cache, self._clocks)
        # A client that subscribes while the frames go out has all this in its snapshot.
        frames = [
            (group, list(group.subscribers), group.frame(changes, encoder, self._event_id))
            for group in self._groups.values()
        ]
        for change in changes:
            if isinstance(change, PodChange):
                self._apply(self._pods, change.before, change.after)
            else:
                self._apply(self._pulls, change.before, change.after)
        for group, subscribers, frame in frames:
            if frame:
                await self._send(group, frame, subscribers)

    def _apply(self, rows: dict[str, Row], before: Row | None, after: Row | None) -> None:
        if after is not None:
            rows[after.id] = after
        elif before is not None:
            rows.pop(before.id, None)
            self._row_cache.forget(before.id)

    async def _send(self, group: SubscriberGroup, frame: bytes, subscribers: Iterable[Subscriber]) -> None:
        group.sent_at = asyncio.get_running_loop().time()
        await self._in_slices(lambda subscriber: subscriber.put(frame), subscribers)

    async def _maintain(self) -> None:
        while True:
            await asyncio.sleep(self._policy.check_seconds)
            now = asyncio.get_running_loop().time()
            for subscriber in self._subscribers():
                if now >= subscriber.expires_at:
                    subscriber.end(farewell())
            self._close_over_budget()
            for group in list(self._groups.values()):
                group.forget_frames()
                if now - group.sent_at >= self._policy.keep_alive_seconds:
                    await self._send(group, KEEP_ALIVE, list(group.subscribers))
            self._row_cache.keep_only(self._pulls, self._pods)  # clients that resume have rows encoded that are gone

    async def _in_slices(
        self, act: Callable[[Subscriber], None], subscribers: Iterable[Subscriber] | None = None
    ) -> None:
        """Call `act` for each subscriber, and let other tasks run after each slice."""
        for number, subscriber in enumerate(self._subscribers() if subscribers is None else subscribers, 1):
            act(subscriber)
            if number % SLICE_SUBSCRIBERS == 0:
                await asyncio.sleep(0)

    def _subscribers(self) -> list[Subscriber]:
        return [subscriber for group in self._groups.values() for subscriber in group.subscribers]

    def _source_closed(self) -> bool:
        return self._source.closed

    def _follow_source(self) -> Subscription:
        snapshot, subscription = self._source.subscribe()
        self._subscription = subscription
        self._load(snapshot)
        return subscription

    def _leave_source(self) -> None:
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None

    def _restart(self) -> Subscription:
        """Subscribe to the source again, and send all subscribers a new snapshot."""
        self._leave_source()
        subscription = self._follow_source()
        for subscriber in self._subscribers():
            subscriber.restart()
        return subscription

    def _load(self, snapshot: Snapshot) -> None:
        self._pulls = dict(snapshot.pulls)
        self._pods = dict(snapshot.pods)
        self._throttle.reset(snapshot.sequence)
        self._synced = snapshot.synced
        self._row_cache.keep_only(self._pulls, self._pods)  # rows that were removed while the hub had no subscribers
        for group in self._groups.values():
            group.reset(self._pulls, self._pods)
