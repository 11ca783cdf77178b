"""The events of one change, and of many at once."""

from __future__ import annotations

import pytest

from pulltrace.pulls.model import Layer, LayerState, Phase
from pulltrace.pulls.view import PodChange, PodState, PodView, PullChange, PullView
from pulltrace.server.json.stream_events import LayerEvent, PullEvent, coalesce
from tests.builders.pulls import layer
from tests.builders.views import MONOTONIC, estimated_pod, pull_changes, pull_view

RESOLVING = pull_view(phase=Phase.RESOLVING)
RUNNING = pull_view(downloaded_bytes=1)
FURTHER = pull_view(downloaded_bytes=2)
COMPLETED = pull_view(phase=Phase.COMPLETED)
FAILED = pull_view(phase=Phase.FAILED)
EXPLAINED = pull_view(phase=Phase.FAILED, error="not found")
UNKNOWN = pull_view(phase=Phase.UNKNOWN)


def events_of(found: list[PullChange], *, layers: bool = False) -> list[tuple[str, int]]:
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
    """One change is one event with its kind; each end is sent once."""
    assert [(expected, 5)] == events_of([PullChange(5, before, after)])


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
    """Changes at once give the last state only, but every start, end and removal."""
    assert expected == events_of(pull_changes(*history))


def test_last_state_is_sent() -> None:
    """A start that was followed by progress says how far the pull is by now."""
    [event] = coalesce(pull_changes(None, RESOLVING, FURTHER))

    assert event.view is FURTHER


def test_rows_keep_their_order() -> None:
    """Events of several rows come in the order of their sequence."""
    other = pull_view("ba9876543210")
    found = [
        *pull_changes(None, RUNNING, first=1),
        *pull_changes(None, other, first=2),
        *pull_changes(RUNNING, FURTHER, first=3),
    ]

    assert [(event.view.id, event.sequence) for event in coalesce(found)] == [(other.id, 2), (RUNNING.id, 3)]


def test_nothing_happened() -> None:
    """No changes, and a change of nothing, are no events."""
    assert coalesce([]) == []
    assert coalesce([PullChange(1, None, None)]) == []


def layer_kinds(before: Layer | None, after: Layer) -> list[str]:
    old = pull_view(layers=() if before is None else (before,))
    found = coalesce(pull_changes(old, pull_view(layers=(after,), downloaded_bytes=1)), layers=True)
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


def test_layers_are_optional() -> None:
    """Without `layers` a row's layers make no events."""
    found = pull_changes(pull_view(), pull_view(layers=(layer("a", LayerState.DOWNLOADING, 5),)))

    assert all(isinstance(event, PullEvent) for event in coalesce(found))


def test_layers_move_between_start_and_end() -> None:
    """A pull that ran and completed at once: start, its layers, end."""
    found = pull_changes(None, pull_view(layers=(layer("a", LayerState.DOWNLOADING, 5),)), COMPLETED)

    assert [kind for kind, _ in events_of(found, layers=True)] == ["pull.started", "pull.completed"]

    before = pull_view(layers=(layer("a", LayerState.DOWNLOADING, 5), layer("b", LayerState.DONE, 100)))
    assert events_of(pull_changes(before, COMPLETED), layers=True) == [("layer.completed", 1), ("pull.completed", 1)]


def test_completed_pull_completes_its_layers() -> None:
    """An ended pull lists no layers, so its running ones are sent as complete."""
    before = pull_view(layers=(layer("a", LayerState.DOWNLOADING, 5),))
    [finished, _] = coalesce(pull_changes(before, COMPLETED), layers=True)

    assert isinstance(finished, LayerEvent)
    assert finished.layer == layer("a", LayerState.DONE, 100)


def test_failed_pull_leaves_its_layers() -> None:
    """Layers of a failed, removed or already ended pull are not sent as complete."""
    before = pull_view(layers=(layer("a", LayerState.DOWNLOADING, 5),))
    ended = pull_view(phase=Phase.COMPLETED, layers=before.pull.layers)

    assert events_of(pull_changes(before, FAILED), layers=True) == [("pull.failed", 1)]
    assert events_of(pull_changes(before, None), layers=True) == [("pull.removed", 1)]
    assert events_of(pull_changes(ended, COMPLETED), layers=True) == [("pull.progress", 1)]


def test_ends_of_pods_are_sent() -> None:
    """A changed pod is sent with its last state; its readiness or deletion is never omitted."""
    waiting, later = estimated_pod(), estimated_pod(estimated_at=MONOTONIC)
    ready, gone = estimated_pod(state=PodState.READY), estimated_pod(state=PodState.GONE)

    def kinds(*views: PodView | None) -> list[str]:
        found = [PodChange(index, views[index], views[index + 1]) for index in range(len(views) - 1)]
        return [event.kind.value for event in coalesce(found)]

    assert kinds(None, waiting, later) == ["pod.waiting"]
    assert kinds(None, waiting, ready) == ["pod.ready"]
    assert kinds(waiting, ready, None) == ["pod.ready", "pod.removed"]
    assert kinds(waiting, ready, waiting, gone) == ["pod.ready", "pod.gone"]
    assert kinds(None, None) == []
