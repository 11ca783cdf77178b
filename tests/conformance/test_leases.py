"""The contract of Lease stores and their watch: in memory, on a fake and on a real API server with each client."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace

import pytest

from pulltrace.kube.resources.in_memory import MemoryLeaseStore
from pulltrace.kube.resources.leases import KubeLeaseStore, LeasePatch, LeaseRecord, lease_list_watch
from pulltrace.kube.watch.reflector import Reflector
from pulltrace.kube.watch.watch_events import Deleted, Replaced, Upserted, WatchEvent
from tests.conformance.servers import FAKE, FAKE_SMALL, REAL, REAL_SMALL, SMALL, serving

PATCH = LeasePatch({"pulltrace.io/summary": "idle"}, holder="agent-x", renewed_at=1_700_000_000.25, duration_seconds=40)

Events = AsyncGenerator[WatchEvent[LeaseRecord], None]


@dataclass
class Stores:
    store: MemoryLeaseStore | KubeLeaseStore
    watching: MemoryLeaseStore | Reflector[LeaseRecord]
    delete: Callable[[str], Awaitable[object]]
    """Delete a Lease, as the garbage collector does after its Node."""


@pytest.fixture(params=["memory", FAKE, FAKE_SMALL, REAL, REAL_SMALL])
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[Stores]:
    """Yield an empty store of each kind; the writer of `small` ones uses the agent's client, as in a cluster."""
    if request.param == "memory":
        memory = MemoryLeaseStore()

        async def delete(name: str) -> None:
            memory.remove(name)

        yield Stores(memory, memory, delete)
        return
    async with serving(request) as server:
        path = f"/apis/coordination.k8s.io/v1/namespaces/{server.namespace}/leases"
        yield Stores(
            KubeLeaseStore(server.small if request.param.endswith(SMALL) else server.connection, server.namespace),
            Reflector(server.connection, lease_list_watch(server.namespace)),
            lambda name: server.connection.request("DELETE", f"{path}/{name}"),
        )


def annotated(**annotations: str | None) -> LeasePatch:
    return replace(PATCH, annotations={f"pull.pulltrace.io/{key}": value for key, value in annotations.items()})


async def test_an_absent_lease_is_none(stores: Stores) -> None:
    """A node that has never reported has no Lease."""
    assert await stores.store.get("node-1") is None


async def test_the_first_patch_makes_the_lease(stores: Stores) -> None:
    """The first write creates the Lease."""
    written = await stores.store.patch("node-1", PATCH)

    assert replace(written, version="") == LeaseRecord(
        name="node-1",
        annotations={"pulltrace.io/summary": "idle"},
        holder="agent-x",
        renewed_at=1_700_000_000.25,
        duration_seconds=40,
    )
    assert await stores.store.get("node-1") == written


async def test_a_patch_merges(stores: Stores) -> None:
    """A patch changes the keys it names, removes those it names None, and leaves the rest."""
    await stores.store.patch("node-1", annotated(a="1", b="2"))
    written = await stores.store.patch("node-1", annotated(b=None, c="3", absent=None))

    assert written.annotations == {"pull.pulltrace.io/a": "1", "pull.pulltrace.io/c": "3"}


async def test_a_removed_key_is_not_made(stores: Stores) -> None:
    """A first patch that removes a key makes a Lease without it."""
    written = await stores.store.patch("node-1", annotated(a="1", b=None))

    assert written.annotations == {"pull.pulltrace.io/a": "1"}


async def test_every_patch_replaces_holder_and_times(stores: Stores) -> None:
    """Holder, renew time and duration are those of the last patch."""
    await stores.store.patch("node-1", PATCH)
    written = await stores.store.patch("node-1", LeasePatch({}, holder="agent-y", renewed_at=1.0, duration_seconds=300))

    assert (written.holder, written.renewed_at, written.duration_seconds) == ("agent-y", 1.0, 300)
    assert written.annotations == {"pulltrace.io/summary": "idle"}


@pytest.mark.parametrize("renewed_at", [1_700_000_000.0, 1_700_000_000.000001, 1_763_910_245.678901])
async def test_times_are_exact_to_the_microsecond(stores: Stores, renewed_at: float) -> None:
    """A renew time survives the way there and back, also when it is a whole second."""
    written = await stores.store.patch("node-1", replace(PATCH, renewed_at=renewed_at))

    assert written.renewed_at == renewed_at


async def test_every_write_has_a_version_of_its_own(stores: Stores) -> None:
    """Each write has another version."""
    first = await stores.store.patch("node-1", annotated(a="1"))
    second = await stores.store.patch("node-1", annotated(a="2"))

    assert first.version
    assert second.version
    assert first.version != second.version


async def test_annotations_of_others_are_not_read(stores: Stores) -> None:
    """Other fields of a Lease are not part of the record."""
    written = await stores.store.patch(
        "node-1", replace(PATCH, annotations={"example.com/x": "1", "pulltrace.io/a": "2"})
    )

    assert written.annotations == {"pulltrace.io/a": "2"}


async def test_values_may_be_large_and_in_any_language(stores: Stores) -> None:
    """A value of 16 KiB with quotes, line breaks and other scripts arrives as it was."""
    value = '{"ref": "例え/образ:1.0\n"}' + "x" * 16_000
    await stores.store.patch("node-1", annotated(a=value))

    record = await stores.store.get("node-1")
    assert record
    assert record.annotations["pull.pulltrace.io/a"] == value


async def test_a_watch_begins_with_a_list(stores: Stores) -> None:
    """The first event is the list, even an empty one."""
    async with aclosing(stores.watching.watch()) as events:
        assert await anext(events) == Replaced(())
    written = await stores.store.patch("node-1", PATCH)
    async with aclosing(stores.watching.watch()) as events:
        assert await anext(events) == Replaced((written,))


async def test_a_watch_has_every_change(stores: Stores) -> None:
    """After the list come new Leases, changed ones and deleted ones, in order."""
    async with aclosing(stores.watching.watch()) as events:
        await anext(events)
        first = await stores.store.patch("node-1", annotated(a="1"))
        assert await anext(events) == Upserted(first)
        second = await stores.store.patch("node-1", annotated(a="2"))
        assert await anext(events) == Upserted(second)
        await stores.delete("node-1")
        assert await anext(events) == Deleted("node-1")


async def test_changes_wait_for_a_reader(stores: Stores) -> None:
    """Changes between the list and the next read are not lost."""
    async with aclosing(stores.watching.watch()) as events:
        await anext(events)
        written = [await stores.store.patch(name, PATCH) for name in ("node-1", "node-2", "node-3")]

        assert [await anext(events) for _ in written] == [Upserted(record) for record in written]


async def test_every_watcher_hears_everything(stores: Stores) -> None:
    """Two watchers get the same events."""
    async with aclosing(stores.watching.watch()) as one, aclosing(stores.watching.watch()) as other:
        assert await anext(one) == await anext(other) == Replaced(())
        written = await stores.store.patch("node-1", PATCH)

        assert await anext(one) == await anext(other) == Upserted(written)


async def test_a_lease_can_come_back(stores: Stores) -> None:
    """A node that returns under its old name starts with a new Lease."""
    await stores.store.patch("node-1", annotated(a="1"))
    await stores.delete("node-1")
    written = await stores.store.patch("node-1", annotated(b="2"))

    assert written.annotations == {"pull.pulltrace.io/b": "2"}
