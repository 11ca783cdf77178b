"""Each change is handed over once, and what was there before as a beginning."""

from __future__ import annotations

from collections.abc import Iterable

from pulltrace.aggregator.state.change_feed import Account
from pulltrace.aggregator.state.store import PullStore
from pulltrace.pulls.view import AnyChange, Snapshot
from tests.builders.views import running_view as running


class Kept:
    """What was handed over: how many rows at a beginning, the sequences of changes."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.taken: list[list[int]] = []

    def begin(self, snapshot: Snapshot, now: float) -> None:
        self.begun.append(len(snapshot.pulls))

    def take(self, changes: Iterable[AnyChange], now: float) -> None:
        self.taken.append([change.sequence for change in changes])


def put(store: PullStore, number: int) -> None:
    view = running(number)
    store.replace((), {view.id: view})


def test_changes_come_once_and_in_order() -> None:
    """To each taker, and nothing comes as nothing: time passes."""
    store, takers = PullStore(), [Kept(), Kept()]
    account = Account(store, takers, lambda: 0.0)
    put(store, 1)
    for numbers in ((), (2, 3), (), (4,)):
        for number in numbers:
            put(store, number)
        account.catch_up()

    assert [taker.begun for taker in takers] == [[1], [1]]
    assert takers[0].taken == takers[1].taken == [[2, 3], [], [4]]


def test_the_first_list_is_a_beginning() -> None:
    """However late it comes."""
    store, kept = PullStore(), Kept()
    account = Account(store, (kept,), lambda: 0.0)
    account.catch_up()
    put(store, 1)
    store.mark_synced()
    account.catch_up()

    assert (kept.begun, kept.taken) == ([0, 1], [])


def test_a_gap_is_a_beginning() -> None:
    """What fell out of the log is not guessed at."""
    store, kept = PullStore(log_changes=2), Kept()
    account = Account(store, (kept,), lambda: 0.0)
    account.catch_up()
    for number in range(5):
        put(store, number)
    account.catch_up()

    assert (kept.begun, kept.taken) == ([0, 5], [])


def test_another_first_list_is_another_beginning() -> None:
    """That of the pods comes after that of the Leases, and tells of failures that are as old."""
    store, kept = PullStore(), Kept()
    account = Account(store, (kept,), lambda: 0.0)
    account.catch_up()
    put(store, 1)
    account.begin_again()
    account.catch_up()
    put(store, 2)
    account.catch_up()

    assert (kept.begun, kept.taken) == ([0, 1], [[2]])
