"""Subscribers with the same options: each text is encoded once for all of them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence

from pulltrace.pulls.view import AnyChange, PodView, PullView
from pulltrace.server.json import paging, serializers, stream_events
from pulltrace.server.json.clock import Clocks
from pulltrace.server.json.row_cache import RowCache
from pulltrace.server.json.stream_events import Event, LayerEvent, PodEvent
from pulltrace.server.sse.row_filter import RowFilter
from pulltrace.server.sse.subscriber import Subscriber
from pulltrace.server.sse.subscription_options import SubscriptionOptions

KEEP_ALIVE = b": ping\n\n"

RETRY_MILLISECONDS = (2000, 7000)
"""When clients reconnect after the end of a stream: each at another time."""

MAX_RESUMED = 32
"""Kept resume frames. They live for a second: clients that lost their connections together differ by a few windows only."""


class EventEncoder:
    """The events of one moment as text; groups that share an event share its text."""

    def __init__(self, row_cache: RowCache, clocks: Clocks) -> None:
        self._row_cache = row_cache
        self._now = clocks.wall()
        self._to_wall = clocks.wall_offset()
        self._texts: dict[tuple[str, int, str], bytes] = {}

    def encode(self, event: Event) -> bytes:
        """Return the event in the text format of SSE, without an id."""
        digest = event.layer.digest if isinstance(event, LayerEvent) else ""
        # NOTE: all rows of one moment are alive, so each has an identity of its own.
        key = (event.kind.value, id(event.view), digest)
        text = self._texts.get(key)
        if text is None:
            text = self._texts[key] = serializers.sse(self._data(event))
        return text

    def _data(self, event: Event) -> bytes:
        if isinstance(event, LayerEvent):
            return serializers.layer_event(event, self._now, self._to_wall)
        if isinstance(event, PodEvent):
            return serializers.pod_event(event, self._row_cache.text(event.view), self._now)
        return serializers.pull_event(event, self._row_cache.text(event.view), self._now)


class SubscriberGroup:
    """One set of options: its subscribers, their rows, and the frames for them."""

    def __init__(self, options: SubscriptionOptions, row_cache: RowCache, clocks: Clocks, *, now: float) -> None:
        """`now` is on the event loop's clock."""
        self.options = options
        self.subscribers: set[Subscriber] = set()
        self.sent_at = now
        """When the group last received a frame, on the event loop's clock."""
        self._row_cache = row_cache
        self._clocks = clocks
        self._row_filter = RowFilter(options.filters, pods=options.pods)
        self._snapshot: bytes | None = None
        self._resumed: dict[int, bytes] = {}

    def reset(self, pulls: Mapping[str, PullView], pods: Mapping[str, PodView]) -> None:
        """Start again from all present rows."""
        self._row_filter.reset(pulls, pods if self.options.pods else {})
        self.forget_frames()

    def frame(self, changes: Iterable[AnyChange], encoder: EventEncoder, event_id: bytes) -> bytes:
        """Return the events of new changes; `b""` when the group sees none of them."""
        self.forget_frames()
        return b"".join(self._events(self._row_filter.apply(changes), encoder, event_id))

    def resumed(
        self, since: int, changes: Iterable[AnyChange], encoder: EventEncoder, event_id: bytes, *, synced: bool
    ) -> bytes:
        """Return the first frame of a client that has everything up to `since`, with the changes that it missed."""
        if since not in self._resumed:
            while len(self._resumed) >= MAX_RESUMED:
                del self._resumed[next(iter(self._resumed))]
            events = self._events(self._row_filter.replay(changes), encoder, event_id)
            data = serializers.document({}, synced=synced, now=self._clocks.wall(), kind="resumed")
            first = serializers.sse(data, name=b"resumed", event_id=None if events else event_id)
            self._resumed[since] = b"".join((first, *events))
        return self._resumed[since]

    def snapshot(
        self, pulls: Mapping[str, PullView], pods: Mapping[str, PodView], *, synced: bool, event_id: bytes
    ) -> bytes:
        """Return the rows as of the last frame, encoded once for all subscribers that come before the next frame."""
        if self._snapshot is None:
            shown = sorted(self._row_filter.shown(pulls), key=paging.pull_sort_key)
            rows = {"pulls": self._row_cache.texts(shown)}
            if self.options.pods:
                waiting = sorted(self._row_filter.shown(pods), key=paging.pod_sort_key)
                rows["pods"] = self._row_cache.texts(waiting)
            data = serializers.document(rows, synced=synced, now=self._clocks.wall(), kind="snapshot")
            self._snapshot = serializers.sse(data, name=b"snapshot", event_id=event_id)
        return self._snapshot

    @property
    def kept_frames(self) -> Sequence[bytes]:
        """The first frames for further subscribers."""
        return [*([] if self._snapshot is None else [self._snapshot]), *self._resumed.values()]

    def forget_frames(self) -> None:
        """Drop the kept frames. The next frame does so too, but without changes no frame comes."""
        self._snapshot = None
        self._resumed.clear()

    def _events(self, changes: Iterable[AnyChange], encoder: EventEncoder, event_id: bytes) -> list[bytes]:
        """Encode the events. Only the last one has the id: a client that loses its connection before it gets all of them again."""
        texts = [encoder.encode(event) for event in stream_events.coalesce(changes, layers=self.options.layers)]
        if texts:
            texts[-1] = b"id: %s\n%s" % (event_id, texts[-1])
        return texts


def farewell() -> bytes:
    """Return the last frame of a stream: when the client reconnects."""
    return b"retry: %d\n\n" % random.randint(*RETRY_MILLISECONDS)
