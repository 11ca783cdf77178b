"""Rows and their changes: what a reader gets is a snapshot and everything after it, once and in order."""

from __future__ import annotations

import asyncio

from pulltrace.aggregator.state.store import PullStore
from pulltrace.pulls.view import PullSource, PullView
from tests.aggregator.builders import Changes
from tests.builders.pods import NODE
from tests.builders.pulls import pull

SILENCE = 0.01


def row(number: int, downloaded_bytes: int = 0) -> PullView:
    return PullView(NODE, pull(number, downloaded_bytes=downloaded_bytes), None)


def put(store: PullStore, *rows: PullView) -> None:
    store.replace_pulls((), {each.id: each for each in rows})


def test_a_new_store_is_empty_and_not_synced() -> None:
    """Before the Leases were listed, nothing is known, and the snapshot says so."""
    source: PullSource = PullStore()

    assert (source.snapshot().pulls, source.snapshot().synced, source.closed) == ({}, False, False)


def test_replacing_publishes_the_changes() -> None:
    """New rows, changed rows and rows that are gone are changes; the same row again is none."""
    store = PullStore()
    put(store, row(1), row(2), row(3))
    changes = Changes(store)
    store.replace_pulls([row(n).id for n in (1, 2, 3)], {each.id: each for each in (row(1), row(2, 5), row(4))})
    found = changes.read()

    assert [(change.before, change.after) for change in found] == [
        (row(2), row(2, 5)),
        (None, row(4)),
        (row(3), None),
    ]
    assert [change.sequence for change in found] == [4, 5, 6]
    assert set(store.snapshot().pulls.values()) == {row(1), row(2, 5), row(4)}


def test_a_snapshot_stays_as_it_was() -> None:
    """A snapshot does not change."""
    store = PullStore()
    before = store.snapshot()
    put(store, row(1))

    assert before.pulls == {}


def test_readers_between_two_changes_share_a_snapshot() -> None:
    """A thousand requests copy the rows once; each kind of change ends the snapshot."""
    store = PullStore()
    put(store, row(1))
    first = store.snapshot()
    assert store.snapshot() is first

    put(store, row(2))
    second = store.snapshot()
    store.mark_synced()
    third = store.snapshot()

    assert (len(first.pulls), len(second.pulls)) == (1, 2)
    assert (first.synced, third.synced) == (False, True)
    assert first.sequence < second.sequence < third.sequence


async def test_changes_follow_the_snapshot_without_a_gap() -> None:
    """Everything after the snapshot comes, once, in order."""
    store = PullStore()
    put(store, row(1))
    snapshot, subscription = store.subscribe()
    put(store, row(1, 1))
    put(store, row(1, 2))
    first = await subscription.next(SILENCE)
    put(store, row(1, 3))
    second = await subscription.next(SILENCE)

    assert first is not None
    assert second is not None
    assert [change.sequence for change in (*first, *second)] == [snapshot.sequence + n for n in (1, 2, 3)]


async def test_a_reader_is_woken_by_a_change() -> None:
    """A reader that waits gets the change at once."""
    store = PullStore()
    _, subscription = store.subscribe()
    reading = asyncio.create_task(subscription.next(20))
    await asyncio.sleep(0)
    put(store, row(1))

    assert [change.after for change in await reading or ()] == [row(1)]


async def test_a_timeout_returns_no_changes() -> None:
    """When nothing changes, a reader gets nothing after its timeout."""
    assert await PullStore().subscribe()[1].next(SILENCE) == ()


async def test_every_reader_gets_everything() -> None:
    """Readers do not take changes from each other."""
    store = PullStore()
    readers = [store.subscribe()[1] for _ in range(3)]
    put(store, row(1))

    assert [len(await reader.next(SILENCE) or ()) for reader in readers] == [1, 1, 1]


async def test_a_slow_reader_begins_again() -> None:
    """A reader that falls out of the log gets None, takes a new snapshot, and goes on from there."""
    store = PullStore(log_changes=3)
    _, slow = store.subscribe()
    for count in range(4):
        put(store, row(1, count))
    assert await slow.next(SILENCE) is None

    _, again = store.subscribe()
    put(store, row(1, 9))

    assert len(await again.next(SILENCE) or ()) == 1


async def test_a_reader_at_the_edge_of_the_log_is_not_too_slow() -> None:
    """As long as the log holds everything after a reader's place, nothing is lost."""
    store = PullStore(log_changes=3)
    _, subscription = store.subscribe()
    for count in range(3):
        put(store, row(1, count))

    assert len(await subscription.next(SILENCE) or ()) == 3


async def test_a_reader_who_came_before_the_first_list_begins_again() -> None:
    """Once the Leases have been listed, early readers get a snapshot that says so; it happens once."""
    store = PullStore()
    _, early = store.subscribe()
    store.mark_synced()
    assert await early.next(SILENCE) is None

    snapshot, later = store.subscribe()
    store.mark_synced()

    assert snapshot.synced
    assert await later.next(SILENCE) == ()


async def test_a_reader_who_waits_while_the_store_closes_ends() -> None:
    """Closing ends every subscription, also one that waits for news."""
    store = PullStore()
    _, subscription = store.subscribe()
    reading = asyncio.create_task(subscription.next(20))
    await asyncio.sleep(0)
    store.close()

    assert await reading is None
    assert store.closed


async def test_a_closed_store_tells_nothing_more() -> None:
    """Changes from before the end are not sent after it."""
    store = PullStore()
    _, subscription = store.subscribe()
    put(store, row(1))
    store.close()
    subscription.close()

    assert await subscription.next(SILENCE) is None
