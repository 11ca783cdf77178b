"""Limits of subscribers, and that a client that leaves is removed."""

from __future__ import annotations

import asyncio

import pytest

from pulltrace.server.http.asgi import Message
from pulltrace.server.http.connection_limiter import ConnectionLimits, TooManyConnections
from pulltrace.server.json.filters import Filters
from pulltrace.server.sse.hub import MAX_GROUPS, StreamPolicy
from pulltrace.server.sse.subscriber import total_bytes
from pulltrace.server.sse.subscriber_group import KEEP_ALIVE
from pulltrace.server.sse.subscription_options import SubscriptionOptions
from tests.builders.views import pull_view
from tests.server.streams import Streams, at
from tests.server.waiting import until


async def test_client_that_leaves_is_removed() -> None:
    """After the last subscriber the hub leaves the source, and the next one starts it again."""
    streams = Streams(at(0))
    for downloaded in (1, 2):
        async with streams.open() as reader:
            await reader.event()
            assert (streams.app.subscribers, len(streams.source.subscriptions)) == (1, 1)
            streams.source.put(at(downloaded))
            assert f'"downloadedBytes":{downloaded}' in await reader.event()
        assert (streams.app.subscribers, len(streams.source.subscriptions)) == (0, 0)


async def test_client_that_has_left_already_is_forgotten() -> None:
    """A client that is gone before its request runs leaves no subscription behind."""
    streams = Streams(at(0))

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        """As uvicorn's, which sends nothing after the end of the connection."""

    scope = {"type": "http", "method": "GET", "query_string": b"", "http_version": "1.1", "headers": []}
    async with asyncio.timeout(5):
        await streams.app(scope, receive, send)

    assert (streams.app.subscribers, len(streams.source.subscriptions)) == (0, 0)


async def test_task_that_is_cancelled_is_forgotten() -> None:
    """The server cancels the tasks of streams that outlive its grace period."""
    streams = Streams(at(0))

    async def never() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        """Accept everything."""

    scope = {"type": "http", "method": "GET", "query_string": b"", "http_version": "1.1", "headers": []}
    task = asyncio.create_task(streams.app(scope, never, send))
    await until(lambda: streams.app.subscribers)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (streams.app.subscribers, len(streams.source.subscriptions)) == (0, 0)


@pytest.mark.parametrize(
    ("limits", "detail"),
    [
        (ConnectionLimits(total=1), "This replica serves 1 live streams, which is its limit."),
        (ConnectionLimits(per_address=1), "127.0.0.1 has 1 live streams, which is the limit for one address."),
    ],
)
async def test_streams_are_limited(limits: ConnectionLimits, detail: str) -> None:
    """One stream too many gets 503, Retry-After, and a path that still answers."""
    streams = Streams(limits=limits)
    async with streams.open() as reader:
        await reader.event()
        answer = await streams.get()

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "15")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Too many streams",
        "status": 503,
        "detail": f"{detail} GET /api/v1/pulls still answers.",
    }


async def test_limit_holds_for_each_address() -> None:
    """The limit of one address is none for others, and ends with its streams."""
    streams = Streams(limits=ConnectionLimits(per_address=1))
    first, _ = streams.join(address="192.0.2.1"), streams.join(address="192.0.2.2")
    with pytest.raises(TooManyConnections):
        streams.join(address="192.0.2.1")
    first.leave()

    streams.join(address="192.0.2.1")
    assert streams.app.subscribers == 2


async def test_sets_of_filters_are_limited() -> None:
    """Sets of filters are limited; a known one is no new one."""
    streams = Streams()
    for number in range(MAX_GROUPS):
        streams.join(SubscriptionOptions(filters=Filters(node=(f"node-{number}",))))
    streams.join(SubscriptionOptions(filters=Filters(node=("node-0",))))

    with pytest.raises(TooManyConnections, match="200 different sets of filters"):
        streams.join()


async def test_keep_alive_follows_silence() -> None:
    """A silent group gets a keep-alive comment, and the next one after as much silence again."""
    streams = Streams(at(0), policy=StreamPolicy(keep_alive_seconds=12, check_seconds=0.001))
    client = streams.join()
    client.take()
    [group] = streams.hub._groups.values()
    for _ in range(2):
        group.sent_at -= 12
        await until(lambda: client.frames)
        assert client.take() == KEEP_ALIVE
        assert asyncio.get_running_loop().time() - group.sent_at < 10


async def test_frames_postpone_the_keep_alive() -> None:
    """A group that receives changes needs no comment."""
    streams = Streams(at(0))
    client = streams.join()
    [group] = streams.hub._groups.values()
    group.sent_at -= 100
    streams.source.put(at(1))
    await until(lambda: len(client.frames) == 2)

    assert asyncio.get_running_loop().time() - group.sent_at < 10


async def test_queues_together_are_bounded() -> None:
    """A client that comes at another moment waits for a snapshot of its own: over the limit the most expensive ones are closed."""
    row = pull_view("00000000000b", error="x" * 1_000_000)
    streams = Streams(at(0), row, policy=StreamPolicy(check_seconds=0.05, queued_bytes=5_000_000))
    together = [streams.join() for _ in range(2)]
    others = []
    for downloaded in range(1, 7):
        streams.source.put(at(downloaded))
        await until(lambda: streams.hub._throttle.published_sequence == streams.source.sequence)
        others.append(streams.join())

    await until(lambda: any(client.closed for client in others))
    assert not any(client.closed for client in together)
    assert sum(not client.closed for client in others) in range(1, 5)


async def test_new_filters_are_refused_over_the_budget() -> None:
    """Each set of filters needs a snapshot of its own; a subscriber with known filters shares one."""
    row = pull_view("00000000000b", error="x" * 1_000_000)
    streams = Streams(row, policy=StreamPolicy(check_seconds=60, queued_bytes=2_000_000))
    sets = [SubscriptionOptions(filters=Filters(node=("node-1", f"node-{number}"))) for number in range(2, 5)]
    slow = [streams.join(options) for options in sets[:2]]

    with pytest.raises(TooManyConnections, match="Other subscribers wait for 1 MiB of events"):
        streams.join(sets[2])
    assert streams.app.subscribers == 2

    slow[0].take()
    assert b"event: snapshot\n" in streams.join(sets[2]).take()


async def test_restart_stays_within_the_budget() -> None:
    """After a restart each set of filters needs a snapshot at once: the subscribers that do not read are closed."""
    row = pull_view("00000000000b", error="x" * 1_000_000)
    streams = Streams(row, policy=StreamPolicy(check_seconds=60, queued_bytes=2_000_000))
    clients = []
    for number in range(2, 8):
        clients.append(streams.join(SubscriptionOptions(filters=Filters(node=("node-1", f"node-{number}")))))
        clients[-1].take()
    streams.hub._restart()
    for client in clients:
        await client.subscriber.next()

    assert total_bytes(streams.hub._held_frames()) < 3_100_000
    assert [client.closed for client in clients] == [True] * 4 + [False] * 2


@pytest.mark.parametrize(("query", "parameter"), [("layers=1", "layers"), ("nodes=x", "nodes"), ("layers=", "layers")])
async def test_bad_query(query: str, parameter: str) -> None:
    """The stream refuses unknown parameters before it begins."""
    answer = await Streams().get(query)

    assert (answer.status_code, answer.json()["parameter"]) == (400, parameter)


async def test_bad_method() -> None:
    """The stream is for reading."""
    answer = await Streams().get(method="POST")

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")


async def test_shutting_down_refuses_streams() -> None:
    """Once the source is closed a client gets 503."""
    streams = Streams()
    streams.source.close()
    answer = await streams.get()

    assert (answer.status_code, answer.json()["title"]) == (503, "Shutting down")
