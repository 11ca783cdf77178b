"""Viewers who asked for the same: what is written for one of them is written for all.

An event that several groups are told of is written once, too (`Frames`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pulltrace.pulls.view import AnyChange, PodView, PullView
from pulltrace.server import coalescing, paging, wire
from pulltrace.server.clocks import Clocks
from pulltrace.server.coalescing import Event, LayerEvent, PodEvent
from pulltrace.server.filters import NO_FILTERS, Filters
from pulltrace.server.fragments import Fragments
from pulltrace.server.selection import Selection

if TYPE_CHECKING:
    from pulltrace.server.hub import Viewer


@dataclass(frozen=True, slots=True)
class Options:
    """What a viewer asks for."""

    layers: bool = False
    """Events of single layers too."""
    pods: bool = False
    """Pods beside the pulls."""
    filters: Filters = NO_FILTERS


class Frames:
    """The events of one moment as text."""

    def __init__(self, fragments: Fragments, clocks: Clocks) -> None:
        self._fragments = fragments
        self._now = clocks.wall()
        self._to_wall = clocks.to_wall()
        self._texts: dict[tuple[str, int, str], bytes] = {}

    def of(self, event: Event) -> bytes:
        digest = event.layer.digest if isinstance(event, LayerEvent) else ""
        # NOTE: the rows of one moment are all alive, so that each has an identity of its own.
        key = (event.kind.value, id(event.view), digest)
        text = self._texts.get(key)
        if text is None:
            text = self._texts[key] = wire.sse(self._data(event))
        return text

    def _data(self, event: Event) -> bytes:
        if isinstance(event, LayerEvent):
            return wire.layer_event(event, self._now, self._to_wall)
        if isinstance(event, PodEvent):
            return wire.pod_event(event, self._fragments.of(event.view), self._now)
        return wire.pull_event(event, self._fragments.of(event.view), self._now)


class Group:
    """One set of options: the rows of its viewers, and the texts that they are sent."""

    def __init__(self, options: Options, fragments: Fragments, clocks: Clocks) -> None:
        self.options = options
        self.viewers: set[Viewer] = set()
        self._fragments = fragments
        self._clocks = clocks
        self._selection = Selection(options.filters, pods=options.pods)
        self._snapshot: bytes | None = None

    def begin(self, pulls: Mapping[str, PullView], pods: Mapping[str, PodView]) -> None:
        """Begin again with all rows there are."""
        self._selection.begin(pulls, pods if self.options.pods else {})
        self._snapshot = None

    def block(self, changes: Iterable[AnyChange], frames: Frames, event_id: bytes) -> bytes:
        """The events of new changes; `b""` when none of them is for these viewers."""
        self._snapshot = None
        return self._written(self._selection.take(changes), frames, event_id)

    def missed(self, changes: Iterable[AnyChange], frames: Frames, event_id: bytes) -> bytes:
        """The events of changes that were told before, for a viewer that was away then."""
        return self._written(self._selection.look_back(changes), frames, event_id)

    def snapshot(
        self, pulls: Mapping[str, PullView], pods: Mapping[str, PodView], *, synced: bool, event_id: bytes
    ) -> bytes:
        """The rows as of the last block, written once for all viewers that come before the next."""
        if self._snapshot is None:
            shown = sorted(self._selection.pulls(pulls), key=paging.place_of_pull)
            rows = {"pulls": self._fragments.of_all(shown)}
            if self.options.pods:
                waiting = sorted(self._selection.pods(pods), key=paging.place_of_pod)
                rows["pods"] = self._fragments.of_all(waiting)
            data = wire.document(rows, synced=synced, now=self._clocks.wall(), kind="snapshot")
            self._snapshot = wire.sse(data, name=b"snapshot", event_id=event_id)
        return self._snapshot

    def _written(self, changes: Iterable[AnyChange], frames: Frames, event_id: bytes) -> bytes:
        """The last event alone carries the id: who is cut off before it gets the whole block again."""
        texts = [frames.of(event) for event in coalescing.coalesce(changes, layers=self.options.layers)]
        if texts:
            texts[-1] = b"id: %s\n%s" % (event_id, texts[-1])
        return b"".join(texts)
