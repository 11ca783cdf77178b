"""List and watch without end: requests, faults and delays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

import pytest

from pulltrace.kube.client.aiohttp_client import AiohttpClient
from pulltrace.kube.client.api import Params
from pulltrace.kube.decoding.api_objects import Raw
from pulltrace.kube.decoding.object_reader import ListItem
from pulltrace.kube.errors import ApiTooSlow
from pulltrace.kube.watch.list_watch import ListWatch, name_key
from pulltrace.kube.watch.reflector import Reflector
from pulltrace.kube.watch.watch_events import Deleted, Replaced, Upserted, WatchEvent
from tests.builders.virtual_time import FakeTime
from tests.fakes.api_server import FakeApiServer, Fault
from tests.fakes.api_server_faults import cut, error_event, event, hang, html, lines, status

LEASES: ListWatch[str] = ListWatch(
    resource="leases",
    path="/apis/coordination.k8s.io/v1/namespaces/ns/leases",
    decode=name_key,
    permission="list and watch leases in namespace ns",
)


@dataclass
class Scene:
    server: FakeApiServer
    reflector: Reflector[str]
    events: AsyncGenerator[WatchEvent[str], None]
    time: FakeTime

    def put(self, name: str) -> None:
        self.server.put("leases", {"metadata": {"name": name, "namespace": "ns"}})

    def remove(self, name: str) -> None:
        self.server.remove("leases", "ns", name)

    async def next(self) -> WatchEvent[str]:
        return await anext(self.events)

    async def end_watch(self, number: int, *, after_seconds: float) -> None:
        """End the server's watch with this number, `after_seconds` of the reflector's clock after it began."""
        await self.server.reached("watch", number)
        self.time.now += after_seconds
        self.server.end_watches()


@pytest.fixture
async def scene(server: FakeApiServer, connection: AiohttpClient) -> AsyncIterator[Scene]:
    time = FakeTime()
    reflector = Reflector(connection, LEASES, timing=time.timing, read_seconds=0.2)
    async with aclosing(reflector.watch()) as events:
        yield Scene(server, reflector, events, time)


def versions(server: FakeApiServer, kind: str) -> list[str | None]:
    return [seen.params.get("resourceVersion") for seen in server.seen if seen.kind == kind]


async def test_the_watch_starts_at_the_version_of_the_list(scene: Scene) -> None:
    """The list comes first, then each change."""
    scene.put("a")
    assert await scene.next() == Replaced(("a",))
    scene.put("b")
    assert await scene.next() == Upserted("b")
    scene.remove("a")
    assert await scene.next() == Deleted("a")

    assert versions(scene.server, "list") == ["0"]
    assert versions(scene.server, "watch") == ["1001"]


async def test_it_requests_bookmarks_and_a_timeout(scene: Scene) -> None:
    """The server ends a watch before the reflector would take it for dead."""
    await scene.next()
    waiting = asyncio.create_task(scene.next())
    await scene.server.reached("watch", 1)
    scene.put("a")
    await waiting

    [watch] = [seen for seen in scene.server.seen if seen.kind == "watch"]
    assert watch.params["allowWatchBookmarks"] == "true"
    assert watch.params["timeoutSeconds"] == "40"


async def test_a_watch_that_ends_is_continued(scene: Scene) -> None:
    """After the server's time limit the next watch begins where the last one was, at once, without a list."""
    await scene.next()
    scene.put("a")
    await scene.next()
    waiting = asyncio.create_task(scene.next())
    await scene.end_watch(1, after_seconds=45)
    await scene.server.reached("watch", 2)
    scene.put("b")

    assert await waiting == Upserted("b")
    assert versions(scene.server, "watch") == ["1000", "1001"]
    assert scene.server.count("list") == 1
    assert scene.time.slept == []
    assert scene.reflector.health.restarts == {"ended": 1}


async def test_a_bookmark_moves_the_version_on(scene: Scene) -> None:
    """The version of a bookmark is where the next watch begins."""
    bookmark = event("BOOKMARK", {"metadata": {"resourceVersion": "1042"}})
    scene.server.faults["watch"] = [lines(bookmark, then="cut")]
    await scene.next()
    waiting = asyncio.create_task(scene.next())
    await scene.server.reached("watch", 2)
    waiting.cancel()

    assert versions(scene.server, "watch") == ["1000", "1042"]


@pytest.mark.parametrize("fault", [status(410), lines(error_event(410))], ids=["status", "event"])
async def test_an_expired_version_is_listed_once(scene: Scene, fault: Fault) -> None:
    """410, as a status and inside the watch, costs one list, which is not read from the cache."""
    scene.put("a")
    scene.server.faults["watch"] = [fault]
    assert await scene.next() == Replaced(("a",))
    scene.remove("a")
    scene.put("b")

    assert await scene.next() == Replaced(("b",))
    assert versions(scene.server, "list") == ["0", None]
    assert scene.time.slept == [0.8]
    assert scene.reflector.health.restarts == {"expired": 1}


async def test_watches_that_end_at_once_are_errors(scene: Scene) -> None:
    """Repeated empty responses cost six requests in half a minute."""
    scene.server.faults["watch"] = [lines()] * 10
    requests_before = 0
    while scene.time.now < 30:
        requests_before = len(scene.server.seen)
        assert await scene.next() == Replaced(())

    # The last list was after the half minute; the watch before it was not.
    assert requests_before + 1 == 6
    assert scene.reflector.health.restarts["empty"] == 3


async def test_a_short_watch_with_events_waits_a_little(scene: Scene) -> None:
    """A server that ends its watches after each event causes no busy loop."""
    await scene.next()
    for number, name in enumerate("abc", 1):
        scene.put(name)
        assert await scene.next() == Upserted(name)
        waiting = asyncio.create_task(scene.next())
        await scene.end_watch(number, after_seconds=0)
        await scene.server.reached("watch", number + 1)
        scene.put(f"{name}-2")
        await waiting

    assert scene.time.slept == [0.8] * 3
    assert scene.reflector.health.restarts == {"ended": 3}


async def test_silence_is_a_dead_connection(scene: Scene) -> None:
    """A silent watch is aborted, and the next begins at the same version."""
    scene.server.faults["watch"] = [hang(), lines(then="hang")]
    await scene.next()
    waiting = asyncio.create_task(scene.next())
    await scene.server.reached("watch", 3)
    scene.put("a")

    assert await waiting == Upserted("a")
    assert versions(scene.server, "watch") == ["1000"] * 3
    assert scene.reflector.health.restarts == {"error": 2}


@pytest.mark.parametrize(
    "fault",
    [
        status(500),
        html(502),
        html(200),
        lines(b'{"type": "ADDED", "object": {"metadata": {"na'),
        lines(b'{"type": "ADDED", "object": {"metadata": {"na', then="cut"),
        lines(b'{"type": "ADDED", "object": {"metadata": {"name": "\xff"}}}\n'),
        lines(b"null\n"),
        lines(b'{"type": "ADDED", "object": []}\n'),
        lines(b"[" * 5000 + b"\n"),
        lines(error_event(500)),
    ],
    ids=["500", "html-502", "html-200", "half", "half-cut", "utf-8", "null", "list", "deep", "error-event"],
)
async def test_a_broken_watch_is_retried(scene: Scene, fault: Fault) -> None:
    """After any other response the watch continues from its version after a delay, and nothing is raised."""
    await scene.next()
    scene.server.faults["watch"] = [fault]
    scene.put("a")

    assert await scene.next() == Upserted("a")
    assert scene.server.count("list") == 1
    assert scene.time.slept == [0.8]
    assert scene.reflector.health.restarts == {"error": 1}
    assert scene.reflector.health.problem is None


async def test_a_cut_connection_is_reopened(scene: Scene) -> None:
    """A connection that breaks before the response is a failure (aiohttp retries the first)."""
    await scene.next()
    scene.server.faults["watch"] = [cut(), cut()]
    scene.put("a")

    assert await scene.next() == Upserted("a")
    assert scene.time.slept == [0.8]


@pytest.mark.parametrize(
    "fault",
    [status(500), html(502), html(200), cut(), status(401), status(410)],
    ids=["500", "html-502", "html-200", "cut", "401", "410"],
)
async def test_a_broken_list_is_retried(scene: Scene, fault: Fault) -> None:
    """A list that fails is retried until it succeeds."""
    scene.server.faults["list"] = [fault, fault]
    scene.server.faults["list"] *= 2  # a 401 is sent twice each time
    scene.put("a")

    assert await scene.next() == Replaced(("a",))
    assert len(scene.time.slept) in {2, 4}


async def test_delays_grow_and_are_reset(scene: Scene) -> None:
    """Delays double up to half a minute; an event resets them."""
    scene.server.faults["list"] = [status(500)] * 7
    await scene.next()
    assert scene.time.slept == pytest.approx([0.8, 1.6, 3.2, 6.4, 12.8, 24.0, 24.0])

    scene.put("a")
    await scene.next()
    scene.server.faults["watch"] = [status(500)]
    waiting = asyncio.create_task(scene.next())
    await scene.end_watch(1, after_seconds=0)
    await scene.server.reached("watch", 3)
    scene.put("b")
    await waiting
    assert scene.time.slept[7:] == pytest.approx([0.8, 1.6])


@pytest.mark.parametrize("retry_after", ["7", "9999"])
async def test_retry_after_is_honoured(scene: Scene, retry_after: str) -> None:
    """The delay is at least Retry-After, up to two minutes."""
    scene.server.faults["list"] = [status(429, retry_after=retry_after)]
    await scene.next()

    assert scene.time.slept == [min(float(retry_after), 120)]


async def test_a_missing_permission_is_named(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """The log line of a 403 has what to grant, and the retry comes after a minute."""
    scene.server.faults["list"] = [status(403, "leases is forbidden")] * 2
    await scene.next()

    assert "missing permission to list and watch leases in namespace ns: 403 leases is forbidden" in caplog.text
    assert scene.time.slept == [60.0, 60.0]
    assert scene.reflector.health.restarts == {"forbidden": 2}


async def test_it_relists(scene: Scene) -> None:
    """The next list comes ten minutes after the last, whatever the watch has sent."""
    await scene.next()
    waiting = asyncio.create_task(scene.next())
    await scene.end_watch(1, after_seconds=539)
    await scene.end_watch(2, after_seconds=45)

    assert await waiting == Replaced(())
    assert scene.server.count("list") == 2
    assert scene.reflector.health.restarts == {"ended": 2, "relist": 1}


async def test_long_lists_come_in_pages(scene: Scene) -> None:
    """A list is read page by page, and is one event."""
    await scene.next()
    names = [f"node-{number:04}" for number in range(1100)]
    for name in names:
        scene.put(name)
    scene.server.faults["watch"] = [status(410)]

    assert await scene.next() == Replaced(tuple(names))
    assert scene.server.count("list") == 4


async def test_an_expired_page_restarts_the_list(scene: Scene) -> None:
    """410 between two pages discards the list."""
    await scene.next()
    for number in range(600):
        scene.put(f"node-{number:04}")
    scene.server.faults["watch"] = [status(410)]
    waiting = asyncio.create_task(scene.next())
    await scene.server.reached("list", 2)
    scene.server.faults["list"] = [status(410)]
    listed = await waiting

    assert isinstance(listed, Replaced)
    assert len(listed.items) == 600
    assert scene.server.count("list") == 5


async def test_an_unreadable_object_is_left_out(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """One object that cannot be read costs a log line, not the watch."""
    scene.server.faults["watch"] = [
        lines(event("ADDED", {"metadata": {}}), event("NEW", {}), event("ADDED", {"metadata": {"name": "a"}}))
    ]
    await scene.next()

    assert await scene.next() == Upserted("a")
    assert "left out one of leases: it cannot be read (KeyError('name'))" in caplog.text


async def test_a_line_that_is_too_long_is_left_out(server: FakeApiServer, connection: AiohttpClient) -> None:
    """It does not end the watch, which continues after its version; its deletion is still reported."""
    time = FakeTime()
    reflector = Reflector(connection, replace(LEASES, max_bytes=200_000), timing=time.timing, read_seconds=0.2)
    long = {"metadata": {"name": "long", "namespace": "pulltrace", "resourceVersion": "1042"}, "x": "y" * 300_000}
    server.faults["watch"] = [
        lines(event("ADDED", long), event("ADDED", {"metadata": {"name": "a"}})),
        lines(event("DELETED", long)),
    ]
    async with aclosing(reflector.watch()) as events:
        assert await anext(events) == Replaced(())
        assert await anext(events) == Upserted("a")
        assert await anext(events) == Deleted("long")
    assert versions(server, "watch") == ["1000", "1042"]
    assert reflector.health.left_out is not None
    assert reflector.health.left_out.count == 2


async def test_objects_of_a_list_that_are_too_long_are_left_out(
    server: FakeApiServer, connection: AiohttpClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The others are listed, and the log has one line for all."""
    for name in ("a", "b", "c"):
        size = 1 if name == "b" else 300_000
        server.put("leases", {"metadata": {"name": name, "namespace": "ns"}, "x": "y" * size})
    reflector = Reflector(connection, replace(LEASES, max_bytes=200_000), timing=FakeTime().timing)
    async with aclosing(reflector.watch()) as events:
        assert await anext(events) == Replaced(("b",))
    assert reflector.health.left_out is not None
    assert reflector.health.left_out.count == 2
    assert caplog.text.count("left out") == 1


class Slow(AiohttpClient):
    """An API server whose lists of more than 10 objects take too long."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str | None]] = []

    async def list_page(self, path: str, params: Params, handle: Callable[[ListItem], None], **_: Any) -> Raw:
        self.requests.append((params["limit"], params.get("resourceVersion")))
        if int(params["limit"]) > 10:
            raise ApiTooSlow("no answer")
        return {"resourceVersion": "7", "continue": "" if len(self.requests) > 4 else "more"}


async def test_a_page_that_is_too_slow_is_read_in_parts() -> None:
    """A quarter each time, and not from the cache, which has no pages; then the pages grow again."""
    slow = Slow()
    reflector = Reflector(slow, LEASES, timing=FakeTime().timing)
    async with aclosing(reflector.watch()) as events:
        assert await anext(events) == Replaced(())

    assert slow.requests == [("500", "0"), ("125", None), ("31", None), ("7", None), ("14", None), ("3", None)]


async def test_ephemeral_objects_come_page_by_page(server: FakeApiServer, connection: AiohttpClient) -> None:
    """Only the last page of a list of ephemeral objects is whole."""
    for number in range(1001):
        server.put("leases", {"metadata": {"name": f"n{number:04}", "namespace": "ns"}})
    reflector = Reflector(connection, replace(LEASES, ephemeral=True), timing=FakeTime().timing)
    async with aclosing(reflector.watch()) as events:
        parts = [await anext(events) for _ in range(3)]
    assert [(len(part.items), part.whole) for part in parts if isinstance(part, Replaced)] == [
        (500, False),
        (500, False),
        (1, True),
    ]


async def test_many_unreadable_objects_cost_one_line(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """Authors of objects cannot fill the log."""
    scene.server.faults["watch"] = [
        lines(*[event("ADDED", {"metadata": {}})] * 50, event("ADDED", {"metadata": {"name": "a"}}))
    ]
    await scene.next()
    assert await scene.next() == Upserted("a")

    assert caplog.text.count("left out one of leases") == 1


async def test_its_health(scene: Scene) -> None:
    """Readiness sees whether it has listed, the time of the last response, and the problem."""
    health = scene.reflector.health
    assert (health.synced, health.last_response_at, health.problem) == (False, None, None)
    scene.time.now = 5.0
    await scene.next()
    assert (health.synced, health.last_response_at, health.problem) == (True, 5.0, None)
    scene.server.faults["watch"] = [status(500, "on fire"), hang()]
    waiting = asyncio.create_task(scene.next())
    await scene.server.reached("watch", 2)
    waiting.cancel()
    assert (health.synced, health.last_response_at, health.problem) == (True, 5.0, "500 on fire")
