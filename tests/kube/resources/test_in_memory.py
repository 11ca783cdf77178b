"""Stores in memory, beyond the contract of tests/conformance/test_leases.py."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from pulltrace.kube.resources.in_memory import MAX_BACKLOG, MemoryStore
from pulltrace.kube.watch.watch_events import Deleted, Replaced, Upserted


async def test_a_slow_watcher_gets_a_list() -> None:
    """A watcher that does not read for a long time gets a list in place of its backlog."""
    store: MemoryStore[int] = MemoryStore()
    async with aclosing(store.watch()) as events:
        await anext(events)
        for number in range(MAX_BACKLOG + 5):
            store.put("a", number)

        assert await anext(events) == Replaced((MAX_BACKLOG + 4,))
        store.put("a", -1)
        assert await anext(events) == Upserted(-1)


async def test_a_watcher_waits_for_changes() -> None:
    """Without a change no event comes."""
    store: MemoryStore[int] = MemoryStore()
    async with aclosing(store.watch()) as events:
        await anext(events)
        waiting = asyncio.create_task(anext(events))
        await asyncio.sleep(0)
        assert not waiting.done()
        store.put("a", 1)
        assert await waiting == Upserted(1)


async def test_removing_an_absent_key_is_no_event() -> None:
    """An unknown key causes no event."""
    store: MemoryStore[int] = MemoryStore()
    store.put("a", 1)
    async with aclosing(store.watch()) as events:
        await anext(events)
        store.remove("b")
        store.remove("a")
        assert await anext(events) == Deleted("a")
