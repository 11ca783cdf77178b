"""HTTP/1.1 as far as the agent needs it: one request as bytes, and its answer from a stream.

The agent asks one server, about once a second at most, for small JSON objects. The standard library's client
blocks, so it would want a thread, which a deadline cannot end; aiohttp costs 10 MiB on every node. What is
left out: compression, redirects, trailers' values, upgrades, and patience: what is not plain HTTP/1.1 is a
`BadAnswer`, and its connection is not used again.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

MAX_ANSWER_BYTES = 4 * 1024 * 1024
"""Of a body. An object of Kubernetes' has up to 1.5 MiB in etcd; a Lease has 16 KiB."""

MAX_LINES = 100
"""Of trailers, and of answers before the answer; the lines themselves are bounded by the stream (64 KiB)."""

_STATUS_LINE = re.compile(r"HTTP/1\.([01]) ([1-9]\d\d)(?: (.*))?", re.ASCII)
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\r\n\0]*)")
_LENGTH = re.compile(r"\d{1,12}", re.ASCII)
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;.*)?\r\n")
_NO_BODY = (204, 304)


class BadAnswer(Exception):
    """What came is not an answer of HTTP/1.1, or not all of one."""


class NoAnswer(BadAnswer):
    """The connection ended before an answer began: what an idle one does that the server has closed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, read to its end."""

    status: int
    phrase: str
    headers: Mapping[str, str]
    """Names in lower case; several of one name are joined by commas."""
    body: bytes
    reusable: bool
    """The connection can carry another request."""


def request_bytes(method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
    """A request as it is sent. Raises `ValueError` for text that would end a line."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    if not all(line.isprintable() for line in lines):
        raise ValueError("a header holds a control character")
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


async def read_answer(stream: asyncio.StreamReader) -> Answer:
    """The answer to one request."""
    for _ in range(MAX_LINES):
        version, status, phrase, headers = await _head(stream)
        if status >= 200:
            break  # all before it is "wait" (100) or "by the way" (103)
    else:
        _refuse("nothing but interim answers")
    coding, length = headers.get("transfer-encoding"), headers.get("content-length")
    reusable = version == 1 and "close" not in headers.get("connection", "").lower()
    if coding is not None and length is not None:
        _refuse("both a length and a transfer encoding")  # which of them holds is what smugglers live on
    if status in _NO_BODY:
        body = b""
    elif coding is not None:
        if coding.lower() != "chunked":
            _refuse(f"a transfer encoding {coding[:40]!r}")
        body = await _chunks(stream)
    elif length is not None:
        if not _LENGTH.fullmatch(length):
            _refuse(f"a length of {length[:40]!r}")
        body = await _exactly(stream, int(length))
    else:
        body, reusable = await _until_the_end(stream), False
    return Answer(status, phrase, headers, body, reusable)


async def _head(stream: asyncio.StreamReader) -> tuple[int, int, str, dict[str, str]]:
    """Minor version, status, phrase and headers."""
    first, *lines = (await _until(stream, b"\r\n\r\n", begun=False)).decode("latin-1")[:-4].split("\r\n")
    if not (told := _STATUS_LINE.fullmatch(first)):
        _refuse(f"{first[:40]!r} in place of a status")
    headers: dict[str, str] = {}
    for line in lines:
        if not (header := _HEADER.fullmatch(line)):
            _refuse(f"{line[:40]!r} in place of a header")
        name, value = header[1].lower(), header[2].strip(" \t")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return int(told[1]), int(told[2]), told[3] or "", headers


async def _chunks(stream: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while True:
        line = await _until(stream, b"\r\n")
        if not (chunk := _CHUNK.fullmatch(line)):
            _refuse(f"{line[:40]!r} in place of a chunk")
        size = int(chunk[1], 16)
        if size == 0:
            break
        body += await _exactly(stream, size, len(body))
        if await _exactly(stream, 2) != b"\r\n":
            _refuse("a chunk without an end")
    for _ in range(MAX_LINES):
        if await _until(stream, b"\r\n") == b"\r\n":
            return bytes(body)
    raise BadAnswer("the server sent trailers without end")


async def _until_the_end(stream: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while part := await stream.read(65536):
        body += part
        if len(body) > MAX_ANSWER_BYTES:
            _refuse(f"more than {MAX_ANSWER_BYTES} bytes")
    return bytes(body)


async def _exactly(stream: asyncio.StreamReader, size: int, before: int = 0) -> bytes:
    if before + size > MAX_ANSWER_BYTES:
        _refuse(f"more than {MAX_ANSWER_BYTES} bytes")
    try:
        return await stream.readexactly(size)
    except asyncio.IncompleteReadError as error:
        raise BadAnswer("the answer broke off") from error


async def _until(stream: asyncio.StreamReader, end: bytes, *, begun: bool = True) -> bytes:
    try:
        return await stream.readuntil(end)
    except asyncio.IncompleteReadError as error:
        if begun or error.partial:
            raise BadAnswer("the answer broke off") from error
        raise NoAnswer("the connection was closed without an answer") from error
    except asyncio.LimitOverrunError as error:
        raise BadAnswer("the server sent a line without end") from error


def _refuse(what: str) -> NoReturn:
    raise BadAnswer(f"the server sent {what}")
