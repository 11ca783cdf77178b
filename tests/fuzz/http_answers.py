"""HTTP answers, as the agent's small client reads them."""

from __future__ import annotations

import asyncio

from pulltrace.kube.client.http1 import MAX_ANSWER_BYTES, BadAnswer, read_answer
from tests.fuzz.properties import is_line

PROBLEM_CHARACTERS = 300


def check(data: bytes) -> None:
    """Read any bytes as one bounded answer, with the rest left for the next, or raise `BadAnswer` on one line."""
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(_read(data))
    finally:
        loop.close()


async def _read(data: bytes) -> None:
    stream = asyncio.StreamReader()
    stream.feed_data(data)
    stream.feed_eof()
    try:
        answer = await read_answer(stream)
    except BadAnswer as error:
        is_line(str(error), PROBLEM_CHARACTERS)
        return
    assert 200 <= answer.status <= 999
    assert len(answer.body) <= min(MAX_ANSWER_BYTES, len(data))
    for name, value in answer.headers.items():
        assert name == name.lower()
        assert not set("\r\n\0") & {*name, *value}
    assert not (answer.reusable and "content-length" in answer.headers and "transfer-encoding" in answer.headers)
