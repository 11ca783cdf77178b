"""Requests, as bytes on a connection to the aggregator."""

from __future__ import annotations

import asyncio
import atexit
import functools
import logging
import re
import shutil
import tempfile
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from pulltrace.server.app import create_app
from pulltrace.server.http.deadlines import DeadlineProtocol
from tests.builders.views import estimated_pod, pull_view
from tests.fakes.pull_source import FakePullSource
from tests.server.peer import Peer

TURNS = 60
"""More turns of the event loop than any answer needs that waits for nothing."""
STATUS = re.compile(rb"^HTTP/1\.1 (\d{3}) ", re.MULTILINE)
HEAD = re.compile(rb".*?\n\r?\n", re.DOTALL)
"""The first head as the most lenient server reads it."""
AMBIGUOUS = re.compile(rb"(?<!\r)\n|\r(?!\n)|\n[ \t]|\x00")
LENGTH, CODING = (
    re.compile(rb"\n%s[ \t]*:" % name, re.IGNORECASE) for name in (b"content-length", b"transfer-encoding")
)


class _Client(Peer):
    """The other end, behind a trusted proxy."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("10.0.0.1", 1234) if name == "peername" else default

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, asyncio.Protocol)
        self._protocol = protocol


class _Errors(logging.Handler):
    """The server's log of requests that it could not answer."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(record.getMessage())


def check(data: bytes) -> None:
    """Answer any bytes without a failure of the server (5xx), or wait for the rest of the request; none of them become
    a header of an answer, and the memory for them is bounded. A head that two servers may read differently is
    refused, and nothing after it is answered.
    """
    errors = _Errors()
    loggers = [logging.getLogger(name) for name in ("uvicorn.error", "falcon", "asyncio", "pulltrace")]
    for logger in loggers:
        logger.addHandler(errors)
    try:
        answers = asyncio.run(_answers(data))
    finally:
        for logger in loggers:
            logger.removeHandler(errors)
    assert errors.seen == []
    statuses = [int(status) for status in STATUS.findall(answers)]
    assert all(status < 500 for status in statuses)
    assert not re.search(rb"\r\nx-injected", answers, re.IGNORECASE)
    if (head := HEAD.match(data)) and _is_ambiguous(head[0]):
        assert statuses in ([400], [431])


def _is_ambiguous(head: bytes) -> bool:
    lengths, codings = LENGTH.findall(head), CODING.findall(head)
    return bool(AMBIGUOUS.search(head)) or len(lengths) + len(codings) > 1


@functools.cache
def _page() -> Path:
    """Return the folder of a web UI, for as long as this process lives."""
    folder = Path(tempfile.mkdtemp(prefix="pulltrace-fuzz-"))
    atexit.register(shutil.rmtree, folder)
    (folder / "index.html").write_text("<!doctype html>")
    return folder


async def _answers(data: bytes) -> bytes:
    source = FakePullSource(pull_view(), estimated_pod())
    app = create_app(source, proxies=[ip_network("10.0.0.0/8")], static_folder=_page())
    config = uvicorn.Config(app, ws="none", lifespan="off", log_config=None, access_log=False, proxy_headers=False)
    connection, client = DeadlineProtocol(config, ServerState(), {}), _Client()
    client.connect(connection)
    for part in (data[: len(data) // 2], data[len(data) // 2 :]):
        if part and not client.is_closing():
            connection.data_received(part)
            for _ in range(TURNS):
                await asyncio.sleep(0)
    if not client.is_closing():
        client.leave()
    source.close()
    for _ in range(TURNS):  # a waiting request learns that its client is gone
        await asyncio.sleep(0)
    return client.take()
