"""What a viewer must be told of several changes at once: pure.

The stream gathers changes for a moment and sends, for each pull, where it stands now. What happened in between is
left out, but never that a pull started, ended or went away: whoever counts those counts right.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from pulltrace.pulls.model import NEED_NO_WORK, Layer, LayerState, Phase
from pulltrace.pulls.view import AnyChange, PodChange, PodState, PodView, PullChange, PullView


class PullKind(StrEnum):
    """What happened to a row."""

    STARTED = "pull.started"
    PROGRESS = "pull.progress"
    """Anything that is none of the others: bytes, a phase, a name, pods, the reason of a failure that came late."""
    COMPLETED = "pull.completed"
    FAILED = "pull.failed"
    """It ended and was no success, or nobody saw whether it was: the phase tells which."""
    REMOVED = "pull.removed"


class PodKind(StrEnum):
    """What happened to a pod."""

    WAITING = "pod.waiting"
    """It is new, or anything about it changed while it waits."""
    READY = "pod.ready"
    GONE = "pod.gone"
    REMOVED = "pod.removed"
    """Its history has run out."""


class LayerKind(StrEnum):
    """What happened to a layer."""

    STARTED = "layer.started"
    PROGRESS = "layer.progress"
    COMPLETED = "layer.completed"
    """It needs no more work: downloaded and unpacked, found on the node, or served lazily."""


_WITHOUT_END = frozenset({PullKind.STARTED, PullKind.PROGRESS})
_WAITING = frozenset({LayerState.QUEUED})
_NEVER_STARTED = frozenset({LayerState.CACHED, LayerState.LAZY})


@dataclass(frozen=True, slots=True)
class PullEvent:
    """A row, and what became of it."""

    kind: PullKind
    sequence: int
    view: PullView
    """For a row that is gone, the last that was known."""


@dataclass(frozen=True, slots=True)
class LayerEvent:
    """A layer, what became of it, and the row that it is part of."""

    kind: LayerKind
    sequence: int
    view: PullView
    layer: Layer


@dataclass(frozen=True, slots=True)
class PodEvent:
    """A pod, and what became of it."""

    kind: PodKind
    sequence: int
    view: PodView
    """For a pod that is gone from the list, the last that was known."""


Event = PullEvent | LayerEvent | PodEvent

_POD_KINDS = {PodState.READY: PodKind.READY, PodState.GONE: PodKind.GONE}


def coalesce(changes: Iterable[AnyChange], *, layers: bool = False) -> list[Event]:
    """The events of all these changes (in the order of their sequence), one change or many."""
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
    # NOTE: sorting is stable, so the events of one pull that share a sequence keep their order.
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
    """Layers move while the pull runs: after its start, before its end."""
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
        # A pull that has ended may list its layers no more. One that completed has them all.
        completed = after.pull.phase is Phase.COMPLETED
        now = tuple(_finish(layer) for layer in now or was.values()) if completed else ()
    return [
        LayerEvent(kind, last.sequence, after, layer)
        for layer in now
        for kind in _layer_kinds(was.get(layer.digest), layer)
    ]


def _finish(layer: Layer) -> Layer:
    if layer.state in NEED_NO_WORK:
        return layer
    return replace(layer, state=LayerState.DONE, downloaded_bytes=layer.size_bytes)


def _layer_kinds(before: Layer | None, after: Layer) -> Iterator[LayerKind]:
    if before == after or after.state in _WAITING:
        return
    waited = before is None or before.state in _WAITING
    finished = after.state in NEED_NO_WORK
    if (waited and after.state not in _NEVER_STARTED) or (
        before is not None and before.state in NEED_NO_WORK and not finished
    ):
        yield LayerKind.STARTED
        if not finished:
            return
    if not finished:
        yield LayerKind.PROGRESS
    elif before is None or before.state not in NEED_NO_WORK:
        yield LayerKind.COMPLETED
