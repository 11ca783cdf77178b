"""HTTP answers, as the agent's client reads them."""

from __future__ import annotations

import asyncio

from pulltrace.kube.client.h11_client import (
    MAX_RESPONSE_BYTES,
    BadResponse,
    can_be_reused,
    client_state,
    read_response,
    request_bytes,
)
from tests.fuzz.properties import is_line

PROBLEM_CHARACTERS = 300


def check(data: bytes) -> None:
    """Any bytes are one response within bounds, whose surplus reaches no other request, or `BadResponse` on one line."""
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(_read(data))
    finally:
        loop.close()


async def _read(data: bytes) -> None:
    stream = asyncio.StreamReader()
    stream.feed_data(data)
    stream.feed_eof()
    http = client_state()
    request_bytes(http, "GET", "/", {"Host": "x"}, None)
    try:
        answer = await read_response(http, stream)
    except BadResponse as error:
        is_line(str(error), PROBLEM_CHARACTERS)
        return
    assert 200 <= answer.status <= 999
    assert len(answer.body) <= min(MAX_RESPONSE_BYTES, len(data))
    for name, value in answer.headers.items():
        assert name == name.lower()
        assert not set("\r\n\0") & {*name, *value}
    assert not ("content-length" in answer.headers and "transfer-encoding" in answer.headers)
    assert not (can_be_reused(http) and http.trailing_data[0])
