"""HTTP/1.1: requests as bytes, and answers from whatever a stream brings."""

from __future__ import annotations

import asyncio

import pytest

from pulltrace.kube.client.http1 import MAX_ANSWER_BYTES, Answer, BadAnswer, NoAnswer, read_answer, request_bytes


async def answer(*sent: bytes) -> Answer:
    """What is made of these bytes and the end of the connection."""
    stream = asyncio.StreamReader()
    stream.feed_data(b"".join(sent))
    stream.feed_eof()
    return await read_answer(stream)


def test_a_request_has_a_length_when_it_has_a_body() -> None:
    """A request is a line, its headers, an empty line, and the body."""
    assert request_bytes("GET", "/a?b=c", {"Host": "x"}, None) == b"GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n"
    assert request_bytes("POST", "/", {}, b"{}") == b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\n", "\0"])
def test_a_header_stays_on_its_line(value: str) -> None:
    """A token with a line break in it cannot become a header of its own."""
    with pytest.raises(ValueError, match="control character"):
        request_bytes("GET", "/", {"Authorization": value}, None)


async def test_a_body_of_a_length() -> None:
    """The length says where the answer ends, and the connection can go on."""
    read = await answer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: 1\r\nx-a:2\r\n\r\n{}HTTP/1.1 ...")

    assert read == Answer(200, "OK", {"content-length": "2", "x-a": "1, 2"}, b"{}", reusable=True)


async def test_a_body_in_chunks() -> None:
    """Chunks are joined; their extensions and trailers are passed over."""
    chunks = b'3\r\n{"a\r\nA;x=y\r\n": 1234567\r\n1\r\n}\r\n0\r\nTrailer: x\r\n\r\n'
    read = await answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunks)

    assert (read.body, read.reusable) == (b'{"a": 1234567}', True)


async def test_a_body_without_a_length() -> None:
    """Where nothing says how long it is, an answer ends with its connection."""
    read = await answer(b"HTTP/1.1 200\r\n\r\n", b"{}")

    assert (read.body, read.phrase, read.reusable) == (b"{}", "", False)


async def test_no_body_where_there_can_be_none() -> None:
    """204 ends with its headers."""
    assert (await answer(b"HTTP/1.1 204 No Content\r\n\r\n")).reusable


@pytest.mark.parametrize("head", [b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 200 OK\r\nConnection: Close\r\n"])
async def test_a_last_answer_says_so(head: bytes) -> None:
    """A server that will close the connection is taken at its word."""
    assert not (await answer(head + b"Content-Length: 0\r\n\r\n")).reusable


async def test_what_comes_before_the_answer_is_passed_over() -> None:
    """100 and 103 are not what was asked for."""
    read = await answer(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No\r\n\r\n")

    assert (read.status, read.headers) == (204, {})


async def test_a_connection_that_ends_at_once_gave_no_answer() -> None:
    """Nothing at all is told apart from something that breaks off."""
    with pytest.raises(NoAnswer):
        await answer()


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-", "broke off"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", "broke off"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "broke off"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{}", "broke off"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}..", "a chunk without an end"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", "in place of a chunk"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            "a transfer encoding 'gzip, chunked'",
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", "a length of '2, 3'"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n{}", "a length of"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "both a length and"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"A: b\r\n" * 200, "trailers without end"),
        (b"HTTP/1.1 103 Hints\r\n\r\n" * 200, "nothing but interim answers"),
        (b"HTTP/1.1 200 OK\r\nX-A: 1\rX-B: 2\r\n\r\n", "in place of a header"),
        (b"HTTP/1.1 200 OK\r\nX-A: 1\r\n folded\r\n\r\n", "in place of a header"),
        (b"HTTP/2 200\r\n\r\n", "in place of a status"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "in place of a status"),
        (b"HTTP/1.1 200 OK\r\n" + b"x" * 200_000, "a line without end"),
    ],
)
async def test_what_is_not_http_is_refused(sent: bytes, why: str) -> None:
    """Rather no answer than a wrong one."""
    with pytest.raises(BadAnswer, match=why):
        await answer(sent)


@pytest.mark.parametrize(
    "sent",
    [
        f"Content-Length: {MAX_ANSWER_BYTES + 1}\r\n\r\n".encode(),
        f"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n{MAX_ANSWER_BYTES:x}\r\n".encode(),
        b"\r\n" + b"x" * (MAX_ANSWER_BYTES + 1),
    ],
    ids=["length", "chunks", "end"],
)
async def test_an_answer_has_a_limit(sent: bytes) -> None:
    """However its length is told, no answer takes all memory."""
    with pytest.raises(BadAnswer, match=f"more than {MAX_ANSWER_BYTES} bytes"):
        await answer(b"HTTP/1.1 200 OK\r\n", sent)
