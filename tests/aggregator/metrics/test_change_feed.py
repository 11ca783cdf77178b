"""Each change arrives once; a snapshot has the earlier ones."""

from __future__ import annotations

from collections.abc import Iterable

from pulltrace.aggregator.metrics.change_feed import ChangeFeed
from pulltrace.aggregator.state.store import PullStore
from pulltrace.pulls.view import AnyChange, Snapshot
from tests.builders.views import running_view


class Consumer:
    """Records the number of rows of each snapshot, and the sequences of changes."""

    def __init__(self) -> None:
        self.resets: list[int] = []
        self.applied: list[list[int]] = []

    def reset(self, snapshot: Snapshot, now: float) -> None:
        self.resets.append(len(snapshot.pulls))

    def apply(self, changes: Iterable[AnyChange], now: float) -> None:
        self.applied.append([change.sequence for change in changes])


def put(store: PullStore, number: int) -> None:
    view = running_view(number)
    store.replace_pulls((), {view.id: view})


def test_changes_come_once_and_in_order() -> None:
    """To each consumer, and nothing comes as nothing: time passes."""
    store, consumers = PullStore(), [Consumer(), Consumer()]
    feed = ChangeFeed(store, consumers, lambda: 0.0)
    put(store, 1)
    for numbers in ((), (2, 3), (), (4,)):
        for number in numbers:
            put(store, number)
        feed.catch_up()

    assert [consumer.resets for consumer in consumers] == [[1], [1]]
    assert consumers[0].applied == consumers[1].applied == [[2, 3], [], [4]]


def test_the_first_list_is_a_snapshot() -> None:
    """However late it comes."""
    store, consumer = PullStore(), Consumer()
    feed = ChangeFeed(store, (consumer,), lambda: 0.0)
    feed.catch_up()
    put(store, 1)
    store.mark_synced()
    feed.catch_up()

    assert (consumer.resets, consumer.applied) == ([0, 1], [])


def test_a_gap_is_a_snapshot() -> None:
    """Changes that fell out of the log are not guessed."""
    store, consumer = PullStore(log_changes=2), Consumer()
    feed = ChangeFeed(store, (consumer,), lambda: 0.0)
    feed.catch_up()
    for number in range(5):
        put(store, number)
    feed.catch_up()

    assert (consumer.resets, consumer.applied) == ([0, 5], [])


def test_another_first_list_is_another_snapshot() -> None:
    """The list of pods comes after that of the Leases, with failures that are as old."""
    store, consumer = PullStore(), Consumer()
    feed = ChangeFeed(store, (consumer,), lambda: 0.0)
    feed.catch_up()
    put(store, 1)
    feed.restart()
    feed.catch_up()
    put(store, 2)
    feed.catch_up()

    assert (consumer.resets, consumer.applied) == ([0, 1], [[2]])
