"""Which events a viewer gets for one change, and for many at once."""

from __future__ import annotations

import pytest

from pulltrace.pulls.model import Layer, LayerState, Phase
from pulltrace.pulls.view import Change, PodChange, PodState, PodView, PullView
from pulltrace.server.json.stream_events import LayerEvent, PullEvent, coalesce
from tests.builders.pulls import layer
from tests.builders.views import MONOTONIC
from tests.builders.views import estimated_pod as pod
from tests.builders.views import pull_changes as changes
from tests.builders.views import pull_view as view

RESOLVING = view(phase=Phase.RESOLVING)
RUNNING = view(downloaded_bytes=1)
FURTHER = view(downloaded_bytes=2)
COMPLETED = view(phase=Phase.COMPLETED)
FAILED = view(phase=Phase.FAILED)
EXPLAINED = view(phase=Phase.FAILED, error="not found")
UNKNOWN = view(phase=Phase.UNKNOWN)


def told(found: list[Change], *, layers: bool = False) -> list[tuple[str, int]]:
    return [(event.kind.value, event.sequence) for event in coalesce(found, layers=layers)]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, RUNNING, "pull.started"),
        (RUNNING, FURTHER, "pull.progress"),
        (RUNNING, COMPLETED, "pull.completed"),
        (RUNNING, FAILED, "pull.failed"),
        (RUNNING, UNKNOWN, "pull.failed"),
        (None, COMPLETED, "pull.completed"),
        (UNKNOWN, COMPLETED, "pull.completed"),
        (UNKNOWN, FAILED, "pull.failed"),
        (FAILED, EXPLAINED, "pull.progress"),
        (COMPLETED, None, "pull.removed"),
    ],
)
def test_one_change(before: PullView | None, after: PullView | None, expected: str) -> None:
    """One change is one event, whose type says what happened; each end is told once."""
    assert [(expected, 5)] == told([Change(5, before, after)])


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ((RUNNING, FURTHER, RUNNING, FURTHER), [("pull.progress", 3)]),
        ((None, RESOLVING, RUNNING, FURTHER), [("pull.started", 3)]),
        ((None, RUNNING, COMPLETED), [("pull.started", 1), ("pull.completed", 2)]),
        ((None, RESOLVING, RUNNING, FAILED, None), [("pull.started", 2), ("pull.failed", 3), ("pull.removed", 4)]),
        ((RUNNING, FURTHER, COMPLETED), [("pull.completed", 2)]),
        ((RUNNING, FAILED, EXPLAINED), [("pull.failed", 2)]),
        ((RUNNING, FURTHER, None), [("pull.removed", 2)]),
        ((RUNNING, UNKNOWN, COMPLETED), [("pull.failed", 1), ("pull.completed", 2)]),
        ((RUNNING, None, RUNNING, FURTHER), [("pull.removed", 1), ("pull.started", 3)]),
    ],
)
def test_many_changes_of_one_row(history: tuple[PullView | None, ...], expected: list[tuple[str, int]]) -> None:
    """Of what happens at once only the last state is told, but every start, end and removal is."""
    assert expected == told(changes(*history))


def test_last_state_is_told() -> None:
    """A start that was followed by progress says how far the pull is by now."""
    [event] = coalesce(changes(None, RESOLVING, FURTHER))

    assert event.view is FURTHER


def test_rows_keep_their_order() -> None:
    """Events of several rows come in the order of their sequence."""
    other = view("ba9876543210")
    found = [*changes(None, RUNNING, first=1), *changes(None, other, first=2), *changes(RUNNING, FURTHER, first=3)]

    assert [(event.view.id, event.sequence) for event in coalesce(found)] == [(other.id, 2), (RUNNING.id, 3)]


def test_nothing_happened() -> None:
    """No changes, and a change of nothing, are no events."""
    assert coalesce([]) == []
    assert coalesce([Change(1, None, None)]) == []


def layer_kinds(before: Layer | None, after: Layer) -> list[str]:
    old = view(layers=() if before is None else (before,))
    found = coalesce(changes(old, view(layers=(after,), downloaded_bytes=1)), layers=True)
    return [event.kind.value for event in found if isinstance(event, LayerEvent)]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, layer("a", LayerState.QUEUED), []),
        (None, layer("a", LayerState.CACHED), ["layer.completed"]),
        (layer("a", LayerState.QUEUED), layer("a", LayerState.DOWNLOADING, 5), ["layer.started"]),
        (layer("a", LayerState.QUEUED), layer("a", LayerState.DONE, 100), ["layer.started", "layer.completed"]),
        (layer("a", LayerState.DOWNLOADING, 5), layer("a", LayerState.DOWNLOADING, 5), []),
        (layer("a", LayerState.DOWNLOADING, 5), layer("a", LayerState.DOWNLOADING, 6), ["layer.progress"]),
        (layer("a", LayerState.DOWNLOADED, 100), layer("a", LayerState.UNPACKING, 100), ["layer.progress"]),
        (layer("a", LayerState.UNPACKING, 100), layer("a", LayerState.DONE, 100), ["layer.completed"]),
        (layer("a", LayerState.DONE, 100), layer("a", LayerState.CACHED, 100), []),
        (layer("a", LayerState.DONE, 100), layer("a", LayerState.DOWNLOADING, 5), ["layer.started"]),
        (layer("a", LayerState.DOWNLOADING, 5), layer("a", LayerState.QUEUED), []),
    ],
)
def test_layers(before: Layer | None, after: Layer, expected: list[str]) -> None:
    """A layer starts when it is on its way, is complete when it needs no more work, and moves in between."""
    assert expected == layer_kinds(before, after)


def test_layers_only_for_whom_asks() -> None:
    """Without `layers` a row's layers make no events."""
    found = changes(view(), view(layers=(layer("a", LayerState.DOWNLOADING, 5),)))

    assert all(isinstance(event, PullEvent) for event in coalesce(found))


def test_layers_move_between_start_and_end() -> None:
    """A pull that ran and completed at once: start, its layers, end."""
    found = changes(None, view(layers=(layer("a", LayerState.DOWNLOADING, 5),)), COMPLETED)

    assert [kind for kind, _ in told(found, layers=True)] == ["pull.started", "pull.completed"]

    before = view(layers=(layer("a", LayerState.DOWNLOADING, 5), layer("b", LayerState.DONE, 100)))
    assert told(changes(before, COMPLETED), layers=True) == [("layer.completed", 1), ("pull.completed", 1)]


def test_completed_pull_completes_its_layers() -> None:
    """The end of a pull lists no layers; those that were under way are told complete and whole."""
    before = view(layers=(layer("a", LayerState.DOWNLOADING, 5),))
    [finished, _] = coalesce(changes(before, COMPLETED), layers=True)

    assert isinstance(finished, LayerEvent)
    assert finished.layer == layer("a", LayerState.DONE, 100)


def test_failed_pull_leaves_its_layers() -> None:
    """Layers of a pull that failed are not told complete, nor are those of one that is gone or had ended before."""
    before = view(layers=(layer("a", LayerState.DOWNLOADING, 5),))
    ended = view(phase=Phase.COMPLETED, layers=before.pull.layers)

    assert told(changes(before, FAILED), layers=True) == [("pull.failed", 1)]
    assert told(changes(before, None), layers=True) == [("pull.removed", 1)]
    assert told(changes(ended, COMPLETED), layers=True) == [("pull.progress", 1)]


def test_pods_are_told_as_they_end() -> None:
    """Of a pod that changes the last is told; that it became ready or was deleted is never left out."""
    waiting, later = pod(), pod(estimated_at=MONOTONIC)
    ready, gone = pod(state=PodState.READY), pod(state=PodState.GONE)

    def kinds(*views: PodView | None) -> list[str]:
        found = [PodChange(index, views[index], views[index + 1]) for index in range(len(views) - 1)]
        return [event.kind.value for event in coalesce(found)]

    assert kinds(None, waiting, later) == ["pod.waiting"]
    assert kinds(None, waiting, ready) == ["pod.ready"]
    assert kinds(waiting, ready, None) == ["pod.ready", "pod.removed"]
    assert kinds(waiting, ready, waiting, gone) == ["pod.ready", "pod.gone"]
    assert kinds(None, None) == []
