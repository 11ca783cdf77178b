"""Answers that are kept: for how long, for whom, and how many."""

from __future__ import annotations

import asyncio

import pytest

from pulltrace.kube.client.response_cache import ERROR_SECONDS, MOST_PENDING, Answers
from pulltrace.kube.errors import ApiUnreachable
from tests.builders.virtual_time import FakeTime


class Server:
    """Answers with the number of questions so far, unless it is told what to say."""

    def __init__(self) -> None:
        self.time = FakeTime()
        self.asked = 0
        self.error: Exception | None = None
        self.go: asyncio.Event | None = None
        self.answers = Answers[int](lambda: self.time.now, lambda answer: 10.0, size=lambda answer: 3, most=9)

    async def answer(self) -> int:
        self.asked += 1
        if self.go is not None:
            await self.go.wait()
        if self.error is not None:
            raise self.error
        return self.asked

    async def get(self, key: str = "a") -> int:
        return await self.answers.get(key, self.answer, lambda: None)


async def test_kept_for_a_while() -> None:
    """Within its time an answer is given again without a question."""
    server = Server()
    first = await server.get()
    server.time.now += 9.9
    again = await server.get()
    server.time.now += 0.1

    assert (first, again, await server.get()) == (1, 1, 2)


async def test_one_question_for_all() -> None:
    """Those who ask while the answer is on its way share it, even if the first of them goes away."""
    server = Server()
    server.go = asyncio.Event()
    asking = [asyncio.create_task(server.get()) for _ in range(5)]
    await asyncio.sleep(0)
    asking[0].cancel()
    server.go.set()

    assert await asyncio.gather(*asking[1:]) == [1] * 4


async def test_errors_are_kept_shortly() -> None:
    """An error is told to all who ask within a few seconds, then the question is asked again."""
    server = Server()
    server.error = OSError("no route")
    for _ in range(2):
        with pytest.raises(OSError, match="no route"):
            await server.get()
    server.time.now += ERROR_SECONDS
    server.error = None

    assert await server.get() == 2


async def test_size_is_bounded() -> None:
    """The oldest answers make way, and those whose time is over."""
    server = Server()
    for key in "abcd":
        await server.get(key)
        await asyncio.sleep(0)
    assert len(server.answers) == 3
    assert await server.get("d") == 4
    assert await server.get("a") == 5
    server.time.now += 10
    await server.get("e")

    assert len(server.answers) == 1


async def test_only_questions_are_admitted() -> None:
    """An answer that is kept costs nothing; who is not admitted does not ask."""
    server = Server()
    await server.get()

    def refuse() -> None:
        raise PermissionError("not now")

    assert await server.answers.get("a", server.answer, refuse) == 1
    with pytest.raises(PermissionError):
        await server.answers.get("b", server.answer, refuse)
    assert (server.asked, len(server.answers)) == (1, 1)


async def test_pending_questions_are_bounded() -> None:
    """Clients that leave an API server without an answer cannot pile up questions; a question that is pending is still shared."""
    server = Server()
    server.go = asyncio.Event()
    asking = [asyncio.create_task(server.get(str(number))) for number in range(MOST_PENDING)]
    await asyncio.sleep(0)

    with pytest.raises(ApiUnreachable, match="500 questions"):
        await server.get("one more")
    asking.append(asyncio.create_task(server.get("0")))
    server.go.set()
    await asyncio.gather(*asking)
    await server.get("one more")
    assert server.asked == MOST_PENDING + 1
