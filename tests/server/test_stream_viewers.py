"""Who may watch, and that whoever leaves is forgotten."""

from __future__ import annotations

from typing import Any

import pytest

from pulltrace.server.http.connection_limiter import Limits, Refused
from pulltrace.server.json.filters import Filters
from pulltrace.server.sse.client import Manners
from pulltrace.server.sse.hub import MAX_GROUPS
from pulltrace.server.sse.subscription_options import Options
from tests.builders.views import pull_view as view
from tests.server.streams import PLAIN, Streams, at
from tests.server.waiting import open_epolls, until


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


@pytest.mark.parametrize("who", ["the viewer", "the server"])
async def test_end_of_a_viewer_is_noticed_beside_the_others(who: str) -> None:
    """What viewers say is looked at apart from all other connections, as long as there are any, whoever ends it."""
    streams, before = Streams(at(0)), open_epolls()
    async with streams.open() as reader:
        await reader.event()
        assert open_epolls() == before + 1
        if who == "the server":
            streams.source.close()
            await until(lambda: not streams.app.clients)
            assert open_epolls() == before
    await until(lambda: open_epolls() == before)


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

    assert sent == []
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


async def test_what_waits_for_slow_viewers_is_bounded() -> None:
    """Who comes at another moment waits for a snapshot of its own: over the bound those whose texts are dearest go."""
    row = view("00000000000b", error="x" * 1_000_000)
    streams = Streams(at(0), row, manners=Manners(look_seconds=0.05, held_bytes=5_000_000))
    together = [streams.join(reading=False) for _ in range(2)]
    others = []
    for downloaded in range(1, 7):
        streams.source.put(at(downloaded))
        await until(lambda: streams.hub._gathering.told == streams.source.sequence)
        others.append(streams.join(reading=False))

    await until(lambda: any(peer.aborted for peer in others))
    assert not any(peer.aborted for peer in together)
    assert sum(not peer.aborted for peer in others) in range(1, 5)


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
