"""A client that reconnects: the changes that it missed, or a snapshot."""

from __future__ import annotations

import pytest

from pulltrace.pulls.model import Phase
from pulltrace.server.json.event_ids import PROCESS_ID
from pulltrace.server.json.filters import Filters
from pulltrace.server.sse.hub import MAX_RESUMED_CHANGES
from pulltrace.server.sse.subscription_options import SubscriptionOptions
from tests.builders.views import POD
from tests.server.streams import HEAD, Streams, at
from tests.server.waiting import until


async def test_resume() -> None:
    """A client that sends its last event id receives the changes that it missed, and no snapshot."""
    streams = Streams(at(0))
    async with streams.open() as reader:
        await reader.event()
        streams.source.put(at(1))
        [last_id] = [line[4:] for line in (await reader.event()).splitlines() if line.startswith("id: ")]
        async with streams.open():  # so that the hub keeps running
            streams.source.put(at(2), at(0, pull_id="00000000000b"))
            await until(lambda: streams.hub._throttle.published_sequence == 4)
            async with streams.open(**{"Last-Event-ID": last_id}) as again:
                missed = await again.until("}\n\n")

    assert missed.startswith(f'event: resumed\ndata: {HEAD},"type":"resumed","synced":true}}\n\n')
    assert '"type":"pull.progress"' in missed
    assert '"type":"pull.started"' in missed
    assert f"\nid: {PROCESS_ID}-4\n" in missed


async def test_resume_without_news() -> None:
    """A client that missed nothing receives only the event `resumed`."""
    streams = Streams(at(0))
    async with streams.open(**{"Last-Event-ID": f"{PROCESS_ID}-1"}) as reader:
        assert (await reader.event()).startswith(f"event: resumed\nid: {PROCESS_ID}-1\ndata: ")


@pytest.mark.parametrize(
    "last_id", ["", "7", "00000000-1", f"{PROCESS_ID}-0", f"{PROCESS_ID}-99", f"{PROCESS_ID}-x", f"{PROCESS_ID}-٣"]
)
async def test_no_resume(last_id: str) -> None:
    """An id of another process, of the future, or from before the log gets a snapshot."""
    streams = Streams(at(0))
    assert b"event: snapshot\n" in streams.join(last_event_id=last_id).take()


async def test_snapshot_after_many_changes() -> None:
    """Very many missed changes are no shorter than a snapshot."""
    streams = Streams(at(0))
    for done in range(MAX_RESUMED_CHANGES + 1):
        streams.source.put(at(done))

    assert b"event: snapshot\n" in streams.join(last_event_id=f"{PROCESS_ID}-1").take()
    assert b"event: resumed\n" in streams.join(last_event_id=f"{PROCESS_ID}-2").take()


async def test_resume_with_filters() -> None:
    """Missed changes pass the filters."""
    streams = Streams(at(0))
    shop = SubscriptionOptions(filters=Filters(namespace=("shop",)))
    one = streams.join(shop)
    streams.source.put(at(1, waiting=(POD,)), at(100, Phase.COMPLETED))
    await until(lambda: b"pull.completed" in b"".join(one.frames))
    missed = streams.join(shop, last_event_id=f"{PROCESS_ID}-1").take()
    other = streams.join(SubscriptionOptions(filters=Filters(namespace=("x",))), last_event_id=f"{PROCESS_ID}-1").take()

    assert b"pull.completed" in missed
    assert b"data:" not in other.partition(b"event: resumed\n")[2].partition(b"data:")[2]
