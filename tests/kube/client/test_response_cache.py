"""Responses that are kept: for how long, for which callers, and how many."""

from __future__ import annotations

import asyncio

import pytest

from pulltrace.kube.client.response_cache import ERROR_SECONDS, MAX_PENDING, ResponseCache
from pulltrace.kube.errors import ApiUnreachable
from tests.builders.virtual_time import FakeTime


class Server:
    """Responds with the number of requests so far, or with an error."""

    def __init__(self) -> None:
        self.time = FakeTime()
        self.requests = 0
        self.error: Exception | None = None
        self.go: asyncio.Event | None = None
        self.cache = ResponseCache[int](
            lambda: self.time.now, lambda response: 10.0, size=lambda response: 3, max_size=9
        )

    async def respond(self) -> int:
        self.requests += 1
        if self.go is not None:
            await self.go.wait()
        if self.error is not None:
            raise self.error
        return self.requests

    async def get(self, key: str = "a") -> int:
        return await self.cache.get(key, self.respond, lambda: None)


async def test_kept_for_a_while() -> None:
    """A response is returned again without a request until it expires."""
    server = Server()
    first = await server.get()
    server.time.now += 9.9
    again = await server.get()
    server.time.now += 0.1

    assert (first, again, await server.get()) == (1, 1, 2)


async def test_one_request_for_all_callers() -> None:
    """Callers share a pending request, even if the first of them is cancelled."""
    server = Server()
    server.go = asyncio.Event()
    callers = [asyncio.create_task(server.get()) for _ in range(5)]
    await asyncio.sleep(0)
    callers[0].cancel()
    server.go.set()

    assert await asyncio.gather(*callers[1:]) == [1] * 4


async def test_errors_are_kept_briefly() -> None:
    """All callers within a few seconds get the same error; then a new request is sent."""
    server = Server()
    server.error = OSError("no route")
    for _ in range(2):
        with pytest.raises(OSError, match="no route"):
            await server.get()
    server.time.now += ERROR_SECONDS
    server.error = None

    assert await server.get() == 2


async def test_size_is_bounded() -> None:
    """The oldest and the expired responses are evicted."""
    server = Server()
    for key in "abcd":
        await server.get(key)
        await asyncio.sleep(0)
    assert len(server.cache) == 3
    assert await server.get("d") == 4
    assert await server.get("a") == 5
    server.time.now += 10
    await server.get("e")

    assert len(server.cache) == 1


async def test_only_requests_are_admitted() -> None:
    """A kept response needs no admission; a caller that is not admitted sends no request."""
    server = Server()
    await server.get()

    def refuse() -> None:
        raise PermissionError("not now")

    assert await server.cache.get("a", server.respond, refuse) == 1
    with pytest.raises(PermissionError):
        await server.cache.get("b", server.respond, refuse)
    assert (server.requests, len(server.cache)) == (1, 1)


async def test_pending_requests_are_bounded() -> None:
    """Clients that disconnect cannot pile up requests while the API server hangs; a pending one is still shared."""
    server = Server()
    server.go = asyncio.Event()
    callers = [asyncio.create_task(server.get(str(number))) for number in range(MAX_PENDING)]
    await asyncio.sleep(0)

    with pytest.raises(ApiUnreachable, match="500 requests"):
        await server.get("one more")
    callers.append(asyncio.create_task(server.get("0")))
    server.go.set()
    await asyncio.gather(*callers)
    await server.get("one more")
    assert server.requests == MAX_PENDING + 1
