"""Viewers who asked for the same: what is written for one of them is written for all.

An event that several groups are told of is written once, too (`Frames`).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping

from pulltrace.pulls.view import AnyChange, PodView, PullView
from pulltrace.server.json import paging, serializers, stream_events
from pulltrace.server.json.clock import Clocks
from pulltrace.server.json.row_cache import RowCache
from pulltrace.server.json.stream_events import Event, LayerEvent, PodEvent
from pulltrace.server.sse.client import Texts, Viewer
from pulltrace.server.sse.row_filter import Selection
from pulltrace.server.sse.subscription_options import Options

PING = b": ping\n\n"

RETRY_MILLISECONDS = (2000, 7000)
"""When viewers come back after the end of a stream: not all at once."""

MOST_MISSED = 32
"""Texts of what was missed that are kept, for a second at most: those who were cut off together are a few windows apart.
Whoever means harm comes back to another place each time.
"""


class Frames:
    """The events of one moment as text."""

    def __init__(self, fragments: RowCache, clocks: Clocks) -> None:
        self._fragments = fragments
        self._now = clocks.wall()
        self._to_wall = clocks.wall_offset()
        self._texts: dict[tuple[str, int, str], bytes] = {}

    def of(self, event: Event) -> bytes:
        digest = event.layer.digest if isinstance(event, LayerEvent) else ""
        # NOTE: the rows of one moment are all alive, so that each has an identity of its own.
        key = (event.kind.value, id(event.view), digest)
        text = self._texts.get(key)
        if text is None:
            text = self._texts[key] = serializers.sse(self._data(event))
        return text

    def _data(self, event: Event) -> bytes:
        if isinstance(event, LayerEvent):
            return serializers.layer_event(event, self._now, self._to_wall)
        if isinstance(event, PodEvent):
            return serializers.pod_event(event, self._fragments.text(event.view), self._now)
        return serializers.pull_event(event, self._fragments.text(event.view), self._now)


class Group:
    """One set of options: the rows of its viewers, and the texts that they are sent, ready for the connection."""

    def __init__(
        self, options: Options, fragments: RowCache, clocks: Clocks, snapshot: Callable[[Group], bytes]
    ) -> None:
        """`snapshot` writes the one of this group, with all rows there are then."""
        self.options = options
        self.viewers: set[Viewer] = set()
        self.texts = Texts(lambda: snapshot(self), options.framed(PING), self._farewell)
        self._fragments = fragments
        self._clocks = clocks
        self._selection = Selection(options.filters, pods=options.pods)
        self._snapshot: bytes | None = None
        self._missed: dict[int, bytes] = {}

    def begin(self, pulls: Mapping[str, PullView], pods: Mapping[str, PodView]) -> None:
        """Begin again with all rows there are."""
        self._selection.begin(pulls, pods if self.options.pods else {})
        self._forget_texts()

    def block(self, changes: Iterable[AnyChange], frames: Frames, event_id: bytes) -> bytes:
        """The events of new changes; `b""` when none of them is for these viewers."""
        self._forget_texts()
        return self.options.framed(b"".join(self._events(self._selection.take(changes), frames, event_id)))

    def missed(
        self, since: int, changes: Iterable[AnyChange], frames: Frames, event_id: bytes, *, synced: bool
    ) -> bytes:
        """What a viewer missed `since` then: written once for all who were cut off together."""
        if since not in self._missed:
            while len(self._missed) >= MOST_MISSED:
                del self._missed[next(iter(self._missed))]
            events = self._events(self._selection.look_back(changes), frames, event_id)
            resumed = serializers.document({}, synced=synced, now=self._clocks.wall(), kind="resumed")
            first = serializers.sse(resumed, name=b"resumed", event_id=None if events else event_id)
            self._missed[since] = self.options.framed(b"".join((first, *events)))
        return self._missed[since]

    def snapshot(
        self, pulls: Mapping[str, PullView], pods: Mapping[str, PodView], *, synced: bool, event_id: bytes
    ) -> bytes:
        """The rows as of the last block, written once for all viewers that come before the next."""
        if self._snapshot is None:
            shown = sorted(self._selection.pulls(pulls), key=paging.pull_sort_key)
            rows = {"pulls": self._fragments.texts(shown)}
            if self.options.pods:
                waiting = sorted(self._selection.pods(pods), key=paging.pod_sort_key)
                rows["pods"] = self._fragments.texts(waiting)
            data = serializers.document(rows, synced=synced, now=self._clocks.wall(), kind="snapshot")
            self._snapshot = self.options.framed(serializers.sse(data, name=b"snapshot", event_id=event_id))
        return self._snapshot

    def forget_missed(self) -> None:
        """Forget the texts of what was missed. The next block does so, too, but where nothing happens there is none."""
        self._missed.clear()

    def _forget_texts(self) -> None:
        self._snapshot = None
        self.forget_missed()

    def _events(self, changes: Iterable[AnyChange], frames: Frames, event_id: bytes) -> list[bytes]:
        """The last event alone carries the id: who is cut off before it gets the whole block again."""
        texts = [frames.of(event) for event in stream_events.coalesce(changes, layers=self.options.layers)]
        if texts:
            texts[-1] = b"id: %s\n%s" % (event_id, texts[-1])
        return texts

    def _farewell(self) -> bytes:
        return self.options.framed(b"retry: %d\n\n" % random.randint(*RETRY_MILLISECONDS)) + self.options.end
