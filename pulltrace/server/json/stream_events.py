"""The events of several changes. Pure.

The stream gathers changes for a moment and sends the last state of each pull. It omits the states between, but never a
start, an end or a removal: a client that counts those counts right.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from pulltrace.pulls.model import Layer, LayerState, Phase
from pulltrace.pulls.view import AnyChange, PodChange, PodState, PodView, PullChange, PullView


class PullKind(StrEnum):
    """How a pull changed."""

    STARTED = "pull.started"
    PROGRESS = "pull.progress"
    """All other changes: bytes, a phase, a name, pods, a late reason of a failure."""
    COMPLETED = "pull.completed"
    FAILED = "pull.failed"
    """It failed, or its end is unknown: see its phase."""
    REMOVED = "pull.removed"


class PodKind(StrEnum):
    """How a pod changed."""

    WAITING = "pod.waiting"
    """It is new, or changed while it waits."""
    READY = "pod.ready"
    GONE = "pod.gone"
    REMOVED = "pod.removed"
    """Its retention time has passed."""


class LayerKind(StrEnum):
    """How a layer changed."""

    STARTED = "layer.started"
    PROGRESS = "layer.progress"
    COMPLETED = "layer.completed"
    """It needs no more work: it is unpacked, was on the node, or is served lazily."""


_WITHOUT_END = frozenset({PullKind.STARTED, PullKind.PROGRESS})
_WAITING = frozenset({LayerState.QUEUED})
_NEVER_STARTED = frozenset({LayerState.CACHED, LayerState.LAZY})


@dataclass(frozen=True, slots=True)
class PullEvent:
    """A pull and its change."""

    kind: PullKind
    sequence: int
    view: PullView
    """The last known row if it was removed."""


@dataclass(frozen=True, slots=True)
class LayerEvent:
    """A layer, its change, and its pull."""

    kind: LayerKind
    sequence: int
    view: PullView
    layer: Layer


@dataclass(frozen=True, slots=True)
class PodEvent:
    """A pod and its change."""

    kind: PodKind
    sequence: int
    view: PodView
    """The last known row if it was removed."""


Event = PullEvent | LayerEvent | PodEvent

_POD_KINDS = {PodState.READY: PodKind.READY, PodState.GONE: PodKind.GONE}


def coalesce(changes: Iterable[AnyChange], *, layers: bool = False) -> list[Event]:
    """Return the events of these changes in the order of their sequence; with `layers` those of layers too."""
    histories: dict[str, list[PullChange]] = {}
    of_pods: dict[str, list[PodEvent]] = {}
    for change in changes:
        view = change.after or change.before
        if view is None:
            continue
        if isinstance(change, PodChange):
            _add_pod_event(of_pods.setdefault(view.id, []), change)
        else:
            histories.setdefault(view.id, []).append(change)
    events: list[Event] = [event for of_pod in of_pods.values() for event in of_pod]
    for history in histories.values():
        of_pull = _pull_events(history)
        events += _with_layers(of_pull, _layer_events(history)) if layers else of_pull
    # NOTE: sorting is stable: events of one pull with the same sequence keep their order.
    events.sort(key=lambda event: event.sequence)
    return events


def _pull_events(history: list[PullChange]) -> list[PullEvent]:
    events: list[PullEvent] = []
    for change in history:
        new = _pull_event(change)
        if new is None:
            continue
        last = events[-1] if events else None
        if last is not None and new.kind is PullKind.PROGRESS and last.kind is not PullKind.REMOVED:
            events[-1] = replace(new, kind=last.kind)
        elif last is not None and last.kind is PullKind.PROGRESS:
            events[-1] = new
        else:
            events.append(new)
    return events


def _pull_event(change: PullChange) -> PullEvent | None:
    before, after = change.before, change.after
    if after is None:
        return None if before is None else PullEvent(PullKind.REMOVED, change.sequence, before)
    if after.pull.phase.ended and (before is None or before.pull.phase is not after.pull.phase):
        kind = PullKind.COMPLETED if after.pull.phase is Phase.COMPLETED else PullKind.FAILED
    elif before is None:
        kind = PullKind.STARTED
    else:
        kind = PullKind.PROGRESS
    return PullEvent(kind, change.sequence, after)


def _add_pod_event(events: list[PodEvent], change: PodChange) -> None:
    if change.after is not None:
        event = PodEvent(_POD_KINDS.get(change.after.state, PodKind.WAITING), change.sequence, change.after)
    elif change.before is not None:
        event = PodEvent(PodKind.REMOVED, change.sequence, change.before)
    else:
        return
    if events and events[-1].kind in {event.kind, PodKind.WAITING}:
        events[-1] = event
    else:
        events.append(event)


def _with_layers(of_pull: list[PullEvent], of_layers: list[LayerEvent]) -> list[Event]:
    """Return the events with those of layers after the start of the pull and before its end."""
    running = [event for event in of_pull if event.kind in _WITHOUT_END]
    ended = [event for event in of_pull if event.kind not in _WITHOUT_END]
    return [*running, *of_layers, *ended]


def _layer_events(history: list[PullChange]) -> list[LayerEvent]:
    last = history[-1]
    after = last.after
    if after is None:
        return []
    before = history[0].before
    if before is not None and before.pull.phase.ended:
        return []
    was = {layer.digest: layer for layer in before.pull.layers} if before is not None else {}
    now = after.pull.layers
    if after.pull.phase.ended:
        # An ended pull may list no layers. A completed one has them all.
        completed = after.pull.phase is Phase.COMPLETED
        now = tuple(_finish(layer) for layer in now or was.values()) if completed else ()
    return [
        LayerEvent(kind, last.sequence, after, layer)
        for layer in now
        for kind in _layer_kinds(was.get(layer.digest), layer)
    ]


def _finish(layer: Layer) -> Layer:
    if layer.state.finished:
        return layer
    return replace(layer, state=LayerState.DONE, downloaded_bytes=layer.size_bytes)


def _layer_kinds(before: Layer | None, after: Layer) -> Iterator[LayerKind]:
    if before == after or after.state in _WAITING:
        return
    waited = before is None or before.state in _WAITING
    finished = after.state.finished
    if (waited and after.state not in _NEVER_STARTED) or (
        before is not None and before.state.finished and not finished
    ):
        yield LayerKind.STARTED
        if not finished:
            return
    if not finished:
        yield LayerKind.PROGRESS
    elif before is None or not before.state.finished:
        yield LayerKind.COMPLETED
