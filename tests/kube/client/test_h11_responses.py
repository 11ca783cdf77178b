"""The agent's HTTP/1.1: requests as bytes, and answers from any bytes that a connection brings."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from pulltrace.kube.client.h11_client import (
    MAX_HEAD_BYTES,
    MAX_RESPONSE_BYTES,
    BadResponse,
    NoResponse,
    Response,
    can_be_reused,
    client_state,
    read_response,
    request_bytes,
)


def sent(method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
    return request_bytes(client_state(), method, target, {"Host": "x", **headers}, body)


async def answer_and_reuse(*parts: bytes) -> tuple[Response, bool]:
    """Return the response that these bytes are, and whether the connection can carry another request."""
    stream = asyncio.StreamReader()
    stream.feed_data(b"".join(parts))
    stream.feed_eof()
    http = client_state()
    request_bytes(http, "GET", "/", {"Host": "x"}, None)
    return await read_response(http, stream), can_be_reused(http)


async def answer(*parts: bytes) -> Response:
    return (await answer_and_reuse(*parts))[0]


def test_a_request_has_a_length_when_it_has_a_body() -> None:
    """A request is a line, its headers, an empty line, and the body."""
    assert sent("GET", "/a?b=c", {}, None) == b"GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n"
    assert sent("POST", "/", {}, b"{}") == b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\n", "\0", "tök"])
def test_a_header_stays_on_its_line(value: str) -> None:
    """A token with a line break in it cannot become a header of its own, and is not in the error."""
    with pytest.raises(ValueError, match="character that HTTP does not allow") as raised:
        sent("GET", "/", {"Authorization": f"Bearer {value}"}, None)
    assert "Bearer" not in str(raised.value)
    assert raised.value.__suppress_context__


async def test_a_body_of_a_length() -> None:
    """The response ends at its length, and the connection can carry the next request."""
    read, reusable = await answer_and_reuse(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: 1\r\nx-a:2\r\n\r\n{}")

    assert read == Response(200, "OK", {"content-length": "2", "x-a": "2"}, b"{}")
    assert reusable


async def test_a_surplus_reaches_no_other_request() -> None:
    """A connection that brings more than the answer is not used again."""
    read, reusable = await answer_and_reuse(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\n\r\n")

    assert (read.body, reusable) == (b"{}", False)


async def test_a_body_in_chunks() -> None:
    """Chunks are joined; their extensions and trailers are skipped."""
    chunks = b'3\r\n{"a\r\nA;x=y\r\n": 1234567\r\n1\r\n}\r\n0\r\nTrailer: x\r\n\r\n'
    read, reusable = await answer_and_reuse(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunks)

    assert (read.body, reusable) == (b'{"a": 1234567}', True)


async def test_a_body_without_a_length() -> None:
    """An answer without a length ends with its connection."""
    read, reusable = await answer_and_reuse(b"HTTP/1.1 200\r\n\r\n", b"{}")

    assert (read.body, read.reason, reusable) == (b"{}", "", False)


async def test_a_204_has_no_body() -> None:
    """It ends with its headers."""
    assert (await answer_and_reuse(b"HTTP/1.1 204 No Content\r\n\r\n"))[1]


@pytest.mark.parametrize("head", [b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 200 OK\r\nConnection: Close\r\n"])
async def test_a_last_answer_ends_the_connection(head: bytes) -> None:
    """A connection that the server will close is not used again."""
    assert not (await answer_and_reuse(head + b"Content-Length: 0\r\n\r\n"))[1]


async def test_interim_answers_are_skipped() -> None:
    """100 and 103 are not the answer."""
    read = await answer(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No\r\n\r\n")

    assert (read.status, read.headers) == (204, {})


async def test_a_folded_header_is_one_line() -> None:
    """No line break of a header reaches a log."""
    read = await answer(b"HTTP/1.1 204 No\r\nX-A: 1\r\n folded\r\n\r\n")

    assert read.headers == {"x-a": "1 folded"}


async def test_a_connection_that_ends_at_once_is_no_response() -> None:
    """No byte at all is another error than a response that breaks off."""
    with pytest.raises(NoResponse):
        await answer()


@pytest.mark.parametrize(
    ("received", "why"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-", "closed connection"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", "closed connection"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "closed connection"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{}", "closed connection"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}..", "chunk"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", "chunk"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "Transfer-Encoding"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", "Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n{}", "Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "both a length and"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"A: b\r\n" * MAX_HEAD_BYTES, "too long"),
        (b"HTTP/1.1 103 Hints\r\n\r\n" * (MAX_RESPONSE_BYTES // 20), "more than"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", "no HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\nX-A: 1\rX-B: 2\r\n\r\n", "illegal header"),
        (b"HTTP/2 200\r\n\r\n", "illegal status line"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "illegal status line"),
        (b"HTTP/1.1 200 OK\r\n" + b"x" * 200_000, "too long"),
    ],
)
async def test_bytes_that_are_not_http_are_refused(received: bytes, why: str) -> None:
    """An error is better than a wrong answer."""
    with pytest.raises(BadResponse, match=why) as raised:
        await answer(received)
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize(
    "received",
    [
        f"Content-Length: {MAX_RESPONSE_BYTES + 1}\r\n\r\n".encode() + b"x" * MAX_RESPONSE_BYTES,
        f"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n{MAX_RESPONSE_BYTES:x}\r\n".encode() + b"x" * MAX_RESPONSE_BYTES,
        b"\r\n" + b"x" * (MAX_RESPONSE_BYTES + 1),
    ],
    ids=["length", "chunks", "end"],
)
async def test_an_answer_has_a_limit(received: bytes) -> None:
    """No answer takes all memory, however its length is given."""
    with pytest.raises(BadResponse, match=f"more than {MAX_RESPONSE_BYTES} bytes"):
        await answer(b"HTTP/1.1 200 OK\r\n", received)
