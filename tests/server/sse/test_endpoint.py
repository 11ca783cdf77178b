"""The stream as the application sends it, literally."""

from __future__ import annotations

import asyncio
from datetime import UTC
from email.utils import parsedate_to_datetime

import pytest

from pulltrace.pulls.model import LayerState, Phase
from pulltrace.pulls.view import PodState
from pulltrace.server.http.asgi import SECURITY_HEADERS
from pulltrace.server.json.event_ids import PROCESS_ID
from pulltrace.server.sse.hub import SLICE_SUBSCRIBERS, StreamPolicy
from tests.builders.pulls import layer
from tests.builders.views import estimated_pod
from tests.server.serve import serving
from tests.server.streams import ENDED, HEAD, ROW, Streams, at
from tests.server.waiting import until


async def test_snapshot_comes_first() -> None:
    """The first event is named and holds all rows; its id is the sequence of the source."""
    streams = Streams(at(50))
    async with streams.open() as reader:
        assert await reader.event() == (
            f'event: snapshot\nid: {PROCESS_ID}-1\ndata: {HEAD},"type":"snapshot","synced":true,'
            f'"pulls":[{ROW % ("downloading", 50, 50, "")}]}}\n\n'
        )
        assert reader.answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert reader.answer.headers["cache-control"] == "no-store"
        assert reader.answer.headers["x-accel-buffering"] == "no"


async def test_headers() -> None:
    """The headers have the date, the end of the connection, and those of every response."""
    async with Streams().open() as reader:
        answer = reader.answer

    assert (answer.http_version, answer.status_code, answer.reason_phrase) == ("HTTP/1.1", 200, "OK")
    written = {(name.lower().encode(), value.encode()) for name, value in answer.headers.items()}
    assert written > {(b"transfer-encoding", b"chunked"), (b"connection", b"close"), *SECURITY_HEADERS}
    assert parsedate_to_datetime(answer.headers["date"]).tzinfo is UTC
    assert [name for name, _ in answer.headers.multi_items()] == list(dict.fromkeys(answer.headers))


async def test_changes_follow() -> None:
    """Each change is an unnamed event with its type, the node and the row."""
    streams = Streams()
    async with streams.open() as reader:
        await reader.event()
        streams.source.put(at(0))
        started = await reader.event()
        streams.source.put(at(50))
        progress = await reader.event()
        streams.source.put(at(100, Phase.COMPLETED))
        completed = await reader.event()
        streams.source.remove("0123456789ab")
        removed = await reader.event()

    def event(number: int, kind: str, row: str) -> str:
        return f'id: {PROCESS_ID}-{number}\ndata: {HEAD},"type":"{kind}","nodeName":"node-1","pull":{row}}}\n\n'

    assert started == event(1, "pull.started", ROW % ("downloading", 0, 0, ""))
    assert progress == event(2, "pull.progress", ROW % ("downloading", 50, 50, ""))
    assert completed == event(3, "pull.completed", ROW % ("completed", 100, 100, ENDED))
    assert removed == event(4, "pull.removed", ROW % ("completed", 100, 100, ENDED))


async def test_changes_of_a_window_are_one() -> None:
    """Of many changes within a window the last is sent; the start and the end of a short pull both are."""
    streams = Streams(window_seconds=0.25)
    async with streams.open() as reader:
        await reader.event()
        for done in range(10):
            streams.source.put(at(done))
        streams.source.put(at(100, Phase.COMPLETED))
        both = await reader.until("}\n\n")

    assert [line for line in both.splitlines() if line.startswith("id")] == [f"id: {PROCESS_ID}-11"]
    assert '"type":"pull.started"' in both
    assert '"type":"pull.completed"' in both


async def test_window_bounds_the_rate() -> None:
    """A subscriber is sent one frame a window, however often the rows change."""
    streams = Streams(at(0), window_seconds=0.25)
    async with streams.open() as reader:
        await reader.event()
        streams.source.put(at(1))
        await reader.event()
        first = asyncio.get_running_loop().time()
        streams.source.put(at(2))
        await until(lambda: not any(each._changes for each in streams.source.subscriptions))
        streams.source.put(at(3))
        assert '"downloadedBytes":3' in await reader.event()
        assert asyncio.get_running_loop().time() - first > 0.2


async def test_layers_on_request() -> None:
    """With `layers=true` the layers' own events come too; without it they do not."""
    streams = Streams(at(0))
    async with streams.open("layers=true") as detailed, streams.open("layers=false") as plain:
        await detailed.event()
        await plain.event()
        streams.source.put(at(5, layers=(layer("a", LayerState.DOWNLOADING, 5),)))
        both = await detailed.event()
        assert '"type":"layer.' not in await plain.event()

    assert '"type":"pull.progress"' in both
    assert (
        '"layer":{"pullId":"0123456789ab","digest":"sha256:aaaaaaaaaaaa","state":"downloading","totalBytes":100,'
        '"downloadedBytes":5,"percent":5.0,"totalKnown":true}}\n\n'
    ) in both


async def test_all_subscribers_are_sent_the_same_bytes() -> None:
    """An event is written once: two subscribers get the very same object."""
    streams = Streams(at(0))
    one, two = streams.join(), streams.join()
    one.take(), two.take()
    streams.source.put(at(1))
    await until(lambda: two.frames)

    assert b'"downloadedBytes":1' in one.frames[0]
    assert one.frames[0] is two.frames[0]
    one.leave()
    two.leave()


async def test_silence_is_filled() -> None:
    """When nothing happens a comment keeps the connection alive."""
    streams = Streams(at(0), policy=StreamPolicy(keep_alive_seconds=0.01, check_seconds=0.005))
    async with streams.open() as reader:
        await reader.until("}\n\n")
        assert (await reader.until(": ping\n\n")).startswith(": ping\n\n")


async def test_source_becomes_complete() -> None:
    """A subscriber that came before the first list of Leases gets a new snapshot once it is in."""
    streams = Streams()
    streams.source.synced = False
    async with streams.open() as reader:
        assert '"synced":false' in await reader.event()
        streams.source.synced = True
        streams.source.put(at(1))
        snapshot = await reader.event()

    assert snapshot.startswith("event: snapshot\n")
    assert '"synced":true' in snapshot
    assert '"downloadedBytes":1' in snapshot


async def test_hub_that_was_too_slow_restarts() -> None:
    """When the source lost the hub, every subscriber gets a new snapshot and then changes again."""
    streams = Streams(at(0))
    async with streams.open() as reader:
        await reader.event()
        streams.source.lose_subscribers()
        streams.source.rows[at(7).id] = at(7)
        assert (await reader.event()).startswith("event: snapshot\n")
        streams.source.put(at(8))
        assert '"type":"pull.progress"' in await reader.event()

    assert not streams.source.subscriptions


async def test_shutdown_ends_the_stream() -> None:
    """When the source closes, the last changes are sent, then when to come back, then the stream ends."""
    streams = Streams(at(0), window_seconds=5)
    async with streams.open() as reader:
        await reader.event()
        streams.source.put(at(1))
        await reader.event()
        streams.source.close()
        farewell = await reader.event()
        await until(lambda: not streams.app.subscribers)

    name, milliseconds = farewell.split()
    assert name == "retry:"
    assert 2000 <= int(milliseconds) <= 7000


async def test_old_stream_ends() -> None:
    """A subscriber does not stay with one replica for ever: its stream ends after a while."""
    streams = Streams(at(0), policy=StreamPolicy(max_age_seconds=0.01, check_seconds=0.005))
    async with streams.open() as reader:
        await until(lambda: not streams.app.subscribers)
        assert "".join([text async for text in reader.rest()]).splitlines()[-2].startswith("retry: ")


async def test_old_http_has_no_chunks() -> None:
    """HTTP/1.0, as some proxies speak it, gets the bare text until the connection closes."""
    streams = Streams(at(0))
    async with serving(streams.app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /api/v1/events HTTP/1.0\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        snapshot = await reader.readuntil(b"\n\n")
        streams.source.close()
        farewell = await reader.read()
        writer.close()

    assert b"chunked" not in head.lower()
    assert snapshot.startswith(b"event: snapshot\n")
    assert farewell.startswith(b"retry: ")
    assert farewell.endswith(b"\n\n")


async def test_broken_source_ends_streams(caplog: pytest.LogCaptureFixture) -> None:
    """An error while following is logged once and ends the streams; clients that reconnect start again."""
    streams = Streams(at(0))
    async with streams.open() as reader:
        await reader.event()
        [subscription] = streams.source.subscriptions
        subscription.take("nonsense")  # type: ignore[arg-type]
        assert (await reader.event()).startswith("retry: ")
        await until(lambda: not streams.app.subscribers)

    assert subscription not in streams.source.subscriptions
    assert "The event stream failed" in caplog.text


async def test_pods_on_request() -> None:
    """With `pods=true` the snapshot has the pods beside the pulls, and events show how they wait."""
    streams = Streams(estimated_pod())
    async with streams.open("pods=true") as detailed, streams.open() as plain:
        assert '"pulls":[],"pods":[{"namespace":"shop","podName":"web-1"' in await detailed.event()
        assert '"pods"' not in await plain.event()
        streams.source.put(estimated_pod(state=PodState.READY), at(1))
        both = await detailed.until("}\n\n")
        assert '"type":"pod.ready","nodeName":"node-1","pod":{"namespace":"shop"' in both
        assert "pod.ready" not in await plain.event()


async def test_other_tasks_run_between_slices() -> None:
    """While a frame goes to very many subscribers, other tasks run in between."""
    streams = Streams(at(0))
    peers = [streams.join() for _ in range(5 * SLICE_SUBSCRIBERS)]
    for peer in peers:
        peer.take()
    streams.source.put(at(1))
    turns = 0
    while not peers[-1].frames or not all(peer.frames for peer in peers):
        await asyncio.sleep(0)
        turns += any(peer.frames for peer in peers)

    assert turns >= 4
