"""The live stream as the application sends it, literally; what needs a real connection is in test_serving."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from pulltrace.pulls.model import LayerState, Phase
from pulltrace.pulls.view import PodState
from pulltrace.server.clocks import Clocks
from pulltrace.server.event_ids import BOOT
from pulltrace.server.filters import Filters
from pulltrace.server.fragments import Fragments
from pulltrace.server.hub import MAX_GROUPS, MAX_MISSED_CHANGES, SLICE_VIEWERS, Hub
from pulltrace.server.options import Options
from pulltrace.server.problems import read_query
from pulltrace.server.room import Limits, Refused
from pulltrace.server.stream import QUERY, EventStream
from pulltrace.server.viewer import Manners
from tests.fakes.pull_source import FakePullSource
from tests.server.peer import Peer
from tests.server.serve import serving
from tests.server.views import NOW, POD, layer, pod, until, view

ROW = (
    '{"id":"0123456789ab","nodeName":"node-1","imageRef":"docker.io/library/nginx:1.29","nameKnown":true,'
    '"imageCandidates":[],"repositories":[],"phase":"%s","stale":false,"totalKnown":true,"totalBytes":100,'
    '"downloadedBytes":%d,"cachedBytes":0,"lazyBytes":0,"unpackedBytes":0,"bytesPerSec":0,"percent":%d.0,"layerCount":0,'
    '"layersDone":0,"startedAt":"2026-11-23T15:04:00.000Z","progressedAt":"2026-11-23T15:04:00.000Z","pods":[],'
    '%s"layers":[]}'
)
PLAIN = Options()
CLOCKS = Clocks(lambda: NOW, lambda: 1000.0)
HEAD = '{"schemaVersion":"v1","timestamp":"2026-11-23T15:04:05.678Z"'
ENDED = '"completedAt":"2026-11-23T15:04:05.678Z",'


class Reader:
    """One viewer's end of the stream."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.text = ""
        self._pieces = answer.aiter_text()

    async def until(self, wanted: str, deadline_seconds: float = 10.0) -> str:
        """All that came since the last call, as soon as it ends with what is wanted."""
        async with asyncio.timeout(deadline_seconds):
            while not self.text.endswith(wanted):
                self.text += await anext(self._pieces)
        text, self.text = self.text, ""
        return text

    async def rest(self) -> AsyncIterator[str]:
        """All that comes until the stream ends."""
        async for text in self._pieces:
            yield text

    async def event(self) -> str:
        return await self.until("\n\n")


class Streams:
    """An event stream under test and its source."""

    def __init__(self, *views: Any, **options: Any) -> None:
        self.source = FakePullSource(*views)
        window_seconds = options.pop("window_seconds", 0.01)
        self.app = EventStream(
            self.source, Fragments(CLOCKS), CLOCKS, window_seconds=lambda viewers: window_seconds, **options
        )

    @property
    def hub(self) -> Hub:
        return self.app._hub

    @asynccontextmanager
    async def open(self, query: str = "", **headers: str) -> AsyncIterator[Reader]:
        async with (
            serving(self.app) as port,
            httpx.AsyncClient() as client,
            client.stream("GET", f"http://127.0.0.1:{port}/api/v1/events?{query}", headers=headers) as answer,
        ):
            yield Reader(answer)

    async def get(self, query: str = "", method: str = "GET", **headers: str) -> httpx.Response:
        async with serving(self.app) as port, httpx.AsyncClient() as client:
            return await client.request(method, f"http://127.0.0.1:{port}/api/v1/events?{query}", headers=headers)

    def join(self, options: Options = PLAIN, **given: Any) -> Peer:
        """A viewer whose connection the test plays."""
        peer = Peer()
        peer.plays(self.hub.join(options, **given))
        return peer


def at(downloaded_bytes: int, phase: Phase = Phase.DOWNLOADING, **pull: Any) -> Any:
    return view(phase=phase, total_bytes=100, downloaded_bytes=downloaded_bytes, **pull)


async def test_snapshot_comes_first() -> None:
    """The first event is named and holds all rows; its id is the sequence of the source."""
    streams = Streams(at(50))
    async with streams.open() as reader:
        assert await reader.event() == (
            f'event: snapshot\nid: {BOOT}-1\ndata: {HEAD},"type":"snapshot","synced":true,'
            f'"pulls":[{ROW % ("downloading", 50, 50, "")}]}}\n\n'
        )
        assert reader.answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert reader.answer.headers["cache-control"] == "no-store"
        assert reader.answer.headers["x-accel-buffering"] == "no"


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
        return f'id: {BOOT}-{number}\ndata: {HEAD},"type":"{kind}","nodeName":"node-1","pull":{row}}}\n\n'

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

    assert [line for line in both.splitlines() if line.startswith("id")] == [f"id: {BOOT}-11"]
    assert '"type":"pull.started"' in both
    assert '"type":"pull.completed"' in both


async def test_window_bounds_the_rate() -> None:
    """A viewer is sent one block a window, however often the rows change."""
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


async def test_all_viewers_are_sent_the_same_bytes() -> None:
    """An event is written once: two viewers get the very same object."""
    streams = Streams(at(0))
    one, two = streams.join(), streams.join()
    one.take(), two.take()
    streams.source.put(at(1))
    await until(lambda: two.written)

    assert b'"downloadedBytes":1' in one.written[0]
    assert one.written[0] is two.written[0]
    one.leave()
    two.leave()


async def test_silence_is_filled() -> None:
    """When nothing happens a comment keeps the connection alive."""
    streams = Streams(at(0), manners=Manners(ping_seconds=0.01, look_seconds=0.005))
    async with streams.open() as reader:
        await reader.until("}\n\n")
        assert (await reader.until(": ping\n\n")).startswith(": ping\n\n")


async def test_source_becomes_complete() -> None:
    """A viewer that came before the first list of Leases gets a new snapshot once it is in."""
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


async def test_hub_that_was_too_slow_begins_again() -> None:
    """When the source lost the hub, every viewer gets a new snapshot and then changes again."""
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
        await until(lambda: not streams.app.clients)

    name, milliseconds = farewell.split()
    assert name == "retry:"
    assert 2000 <= int(milliseconds) <= 7000


async def test_old_stream_ends() -> None:
    """A viewer does not stay with one replica for ever: after a while it is asked to come again."""
    streams = Streams(at(0), manners=Manners(max_age_seconds=0.01, look_seconds=0.005))
    async with streams.open() as reader:
        await until(lambda: not streams.app.clients)
        assert "".join([text async for text in reader.rest()]).splitlines()[-2].startswith("retry: ")


async def test_viewer_that_leaves_is_forgotten() -> None:
    """After the last viewer nobody is subscribed any more, and the next one begins anew."""
    streams = Streams(at(0))
    for downloaded in (1, 2):
        async with streams.open() as reader:
            await reader.event()
            assert (streams.app.clients, len(streams.source.subscriptions)) == (1, 1)
            streams.source.put(at(downloaded))
            assert f'"downloadedBytes":{downloaded}' in await reader.event()
        assert (streams.app.clients, len(streams.source.subscriptions)) == (0, 0)


async def test_viewer_that_leaves_at_once_is_forgotten() -> None:
    """A viewer that is gone before anything was sent leaves no subscription behind."""
    streams = Streams(at(0))
    viewer = streams.hub.join(PLAIN)
    streams.hub.leave(viewer)
    streams.hub.leave(viewer)

    assert (streams.app.clients, len(streams.source.subscriptions)) == (0, 0)


async def test_peer_that_left_before_its_turn_is_forgotten() -> None:
    """A connection that is gone before the request is looked at is no viewer."""
    streams = Streams(at(0))
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "query_string": b"", "http_version": "1.1", "headers": [], "state": {}}
    await streams.app(scope, receive, send)

    assert [message["type"] for message in sent] == ["http.response.start"]
    assert streams.app.clients == 0


@pytest.mark.parametrize(
    ("limits", "detail"),
    [
        (Limits(viewers=1), "This replica serves 1 live streams, which is all it may."),
        (Limits(viewers_per_address=1), "127.0.0.1 has 1 live streams, which is all it may."),
    ],
)
async def test_viewers_are_limited(limits: Limits, detail: str) -> None:
    """One viewer too many is told so, when to come back, and what works meanwhile."""
    streams = Streams(limits=limits)
    async with streams.open() as reader:
        await reader.event()
        answer = await streams.get()

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "15")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Too many viewers",
        "status": 503,
        "detail": f"{detail} GET /api/v1/pulls still answers.",
    }


async def test_another_address_has_room() -> None:
    """The bound for one address is none for others, nor for one that has left."""
    streams = Streams(limits=Limits(viewers_per_address=1))
    first, _ = streams.join(address="192.0.2.1"), streams.join(address="192.0.2.2")
    with pytest.raises(Refused):
        streams.join(address="192.0.2.1")
    first.leave()

    streams.join(address="192.0.2.1")
    assert streams.app.clients == 2


async def test_sets_of_filters_are_limited() -> None:
    """So many different questions can be asked at once; one that is asked already is no new one."""
    streams = Streams()
    for number in range(MAX_GROUPS):
        streams.join(Options(filters=Filters(node=(f"node-{number}",))))
    streams.join(Options(filters=Filters(node=("node-0",))))

    with pytest.raises(Refused, match="200 different sets of filters"):
        streams.join()


@pytest.mark.parametrize(("query", "parameter"), [("layers=1", "layers"), ("nodes=x", "nodes"), ("layers=", "layers")])
async def test_bad_query(query: str, parameter: str) -> None:
    """What the stream does not know it refuses, before it begins."""
    answer = await Streams().get(query)

    assert (answer.status_code, answer.json()["parameter"]) == (400, parameter)


async def test_bad_method() -> None:
    """The stream is for reading."""
    answer = await Streams().get(method="POST")

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")


async def test_shutting_down_takes_no_viewers() -> None:
    """Once the source is closed a viewer is sent elsewhere."""
    streams = Streams()
    streams.source.close()
    answer = await streams.get()

    assert (answer.status_code, answer.json()["title"]) == (503, "Shutting down")


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


async def test_resume() -> None:
    """A viewer that names the last event it got is told what it missed, and no snapshot."""
    streams = Streams(at(0))
    async with streams.open() as reader:
        await reader.event()
        streams.source.put(at(1))
        [last_id] = [line[4:] for line in (await reader.event()).splitlines() if line.startswith("id: ")]
        async with streams.open():  # so that somebody watches meanwhile
            streams.source.put(at(2), at(0, pull_id="00000000000b"))
            await until(lambda: streams.hub._gathering.told == 4)
            async with streams.open(**{"Last-Event-ID": last_id}) as again:
                missed = await again.until("}\n\n")

    assert missed.startswith(f'event: resumed\ndata: {HEAD},"type":"resumed","synced":true}}\n\n')
    assert '"type":"pull.progress"' in missed
    assert '"type":"pull.started"' in missed
    assert f"\nid: {BOOT}-4\n" in missed


async def test_resume_without_news() -> None:
    """A viewer that missed nothing is told just that."""
    streams = Streams(at(0))
    async with streams.open(**{"Last-Event-ID": f"{BOOT}-1"}) as reader:
        assert (await reader.event()).startswith(f"event: resumed\nid: {BOOT}-1\ndata: ")


@pytest.mark.parametrize("last_id", ["", "7", "00000000-1", f"{BOOT}-0", f"{BOOT}-99", f"{BOOT}-x", f"{BOOT}-٣"])
async def test_no_resume(last_id: str) -> None:
    """An id of another process, of the future, or from before what is remembered gets a snapshot."""
    streams = Streams(at(0))
    assert b"event: snapshot\n" in streams.join(last_event_id=last_id).take()


async def test_who_missed_much_gets_a_snapshot() -> None:
    """A very long way back is no shorter than beginning again."""
    streams = Streams(at(0))
    for done in range(MAX_MISSED_CHANGES + 1):
        streams.source.put(at(done))

    assert b"event: snapshot\n" in streams.join(last_event_id=f"{BOOT}-1").take()
    assert b"event: resumed\n" in streams.join(last_event_id=f"{BOOT}-2").take()


async def test_resume_with_filters() -> None:
    """What was missed is told as the filters show it."""
    streams = Streams(at(0))
    shop = Options(filters=Filters(namespace=("shop",)))
    one = streams.join(shop)
    streams.source.put(at(1, waiting=(POD,)), at(100, Phase.COMPLETED))
    await until(lambda: b"pull.completed" in b"".join(one.written))
    missed = streams.join(shop, last_event_id=f"{BOOT}-1").take()
    other = streams.join(Options(filters=Filters(namespace=("x",))), last_event_id=f"{BOOT}-1").take()

    assert b"pull.completed" in missed
    assert b"data:" not in other.partition(b"event: resumed\n")[2].partition(b"data:")[2]


async def test_broken_source_sends_viewers_away(caplog: pytest.LogCaptureFixture) -> None:
    """An error while following is logged once and ends the streams; those who come back begin anew."""
    streams = Streams(at(0))
    async with streams.open() as reader:
        await reader.event()
        [subscription] = streams.source.subscriptions
        subscription.take("nonsense")  # type: ignore[arg-type]
        assert (await reader.event()).startswith("retry: ")
        await until(lambda: not streams.app.clients)

    assert subscription not in streams.source.subscriptions
    assert "The live stream broke" in caplog.text


async def test_pods_on_request() -> None:
    """With `pods=true` the snapshot has the pods beside the pulls, and events tell how they wait."""
    streams = Streams(pod())
    async with streams.open("pods=true") as detailed, streams.open() as plain:
        assert '"pulls":[],"pods":[{"namespace":"shop","podName":"web-1"' in await detailed.event()
        assert '"pods"' not in await plain.event()
        streams.source.put(pod(state=PodState.READY), at(1))
        both = await detailed.until("}\n\n")
        assert '"type":"pod.ready","nodeName":"node-1","pod":{"namespace":"shop"' in both
        assert "pod.ready" not in await plain.event()


async def test_filters_choose_rows_and_changes() -> None:
    """A viewer with filters is told of what fits, and nothing else: in the snapshot and after it."""
    here, there = at(0), at(0, node="node-2", pull_id="00000000000b")
    streams = Streams(here, there)
    async with streams.open("node=node-2&layers=true") as reader:
        snapshot = await reader.event()
        assert here.id not in snapshot
        assert there.id in snapshot
        streams.source.put(at(1), at(2, node="node-2", pull_id=there.id))
        change = await reader.event()
        assert here.id not in change
        assert '"downloadedBytes":2' in change


async def test_row_that_fits_no_more_is_gone() -> None:
    """For a viewer with filters a row comes when it begins to fit and goes when it does not any more."""
    streams = Streams()
    async with streams.open("phase=downloading") as reader:
        await reader.event()
        streams.source.put(at(0, Phase.RESOLVING))
        streams.source.put(at(0))
        assert '"type":"pull.started"' in await reader.event()
        streams.source.put(at(100, Phase.UNPACKING))
        assert '"type":"pull.removed"' in await reader.event()


async def test_end_is_told_to_who_saw_the_pull() -> None:
    """Nobody waits for a pull that has ended, yet who watched it by its pods is told how it ended, and when it goes."""
    streams = Streams(at(0, waiting=(POD,)))
    async with streams.open("namespace=shop") as reader, streams.open("namespace=other") as other:
        await reader.event()
        streams.source.put(at(100, Phase.COMPLETED))
        assert '"type":"pull.completed"' in await reader.event()
        async with streams.open("namespace=shop") as late:
            assert at(0).id in await late.event()
        streams.source.remove(at(0).id)
        assert '"type":"pull.removed"' in await reader.event()
        assert (await other.event()).count("event: snapshot") == 1


async def test_same_question_is_one_group() -> None:
    """Viewers who ask the same in other words are sent the same bytes; an event of two groups is written once."""
    streams = Streams(at(0))
    asked = ("node=node-1&node=a", "node=a&node=node-1&node=a", "image=nginx")
    viewers = [streams.join(Options(filters=Filters.of(read_query(query, QUERY)))) for query in asked]
    for viewer in viewers:
        viewer.take()
    streams.source.put(at(1))
    await until(lambda: all(viewer.written for viewer in viewers))

    assert viewers[0].written[0] is viewers[1].written[0]
    assert viewers[0].written == viewers[2].written
    assert len(streams.hub._groups) == 2
    for viewer in viewers:
        viewer.leave()
    assert not streams.hub._groups


async def test_many_viewers_leave_room_for_others() -> None:
    """While a block goes to very many viewers, others have their turn in between."""
    streams = Streams(at(0))
    peers = [streams.join() for _ in range(5 * SLICE_VIEWERS)]
    for peer in peers:
        peer.take()
    streams.source.put(at(1))
    turns = 0
    while not peers[-1].written or not all(peer.written for peer in peers):
        await asyncio.sleep(0)
        turns += any(peer.written for peer in peers)

    assert turns >= 4
