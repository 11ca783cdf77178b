"""Lists and watches: lines and pages of an API server, or of a proxy before it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

from pulltrace.kube.client.aiohttp_client import Connection
from pulltrace.kube.client.api import Params, decoded
from pulltrace.kube.client.retry import Timing
from pulltrace.kube.decoding.fields import Raw, list_metadata
from pulltrace.kube.decoding.json_fields import Shape
from pulltrace.kube.decoding.object_reader import Gate, ListReader, Piece, TooLong, lines_of
from pulltrace.kube.resources import event_watch, pod_watch
from pulltrace.kube.resources.kubelet_events import EventRecord
from pulltrace.kube.resources.lease_watch import KubeLeaseWatch
from pulltrace.kube.resources.leases import LeaseRecord
from pulltrace.kube.resources.pending_pods import PodRecord
from pulltrace.kube.watch.reflector import Resource, Watch
from pulltrace.kube.watch.watch_events import Gone, Listed, Put
from tests.fuzz.leases import is_record
from tests.fuzz.objects import is_event, is_pod
from tests.fuzz.properties import drive, is_line

EMPTY = b'{"metadata": {"resourceVersion": "1"}, "items": null}'
PROBLEM_CHARACTERS = 700
MAX_BYTES = 16 * 1024
"""Few enough for some inputs to be too long."""


class _AllSent(BaseException):
    """The server has sent all its bytes."""


class _Server(Connection):
    """A connection whose list and watch are answered with given bytes."""

    def __init__(self, page: bytes, lines: list[bytes]) -> None:
        self._page: bytes | None = page
        self._lines: list[bytes] | None = lines

    async def list_page(
        self, path: str, params: Params, take: Callable[[Piece], None], *, shape: Shape | None = None, **_: Any
    ) -> Raw:
        if self._page is None:
            raise _AllSent
        page, self._page = self._page, None
        async with Gate().turn() as turn:
            reader = ListReader(_chunks(page), turn, shape, MAX_BYTES)
            async for piece in reader.objects():
                take(piece)
        return list_metadata(path, decoded(path, reader.envelope, "application/json"))

    async def stream(
        self, path: str, params: Params, read_timeout_seconds: float = 60.0, max_line_bytes: int = MAX_BYTES
    ) -> AsyncGenerator[bytes | TooLong, None]:
        if self._lines is None:
            raise _AllSent
        lines, self._lines = self._lines, None
        async with Gate().turn() as turn:
            async for line in lines_of(_chunks(b"\n".join(lines)), turn, MAX_BYTES):
                yield line


async def _chunks(data: bytes) -> AsyncIterator[bytes]:
    """Yield the bytes in pieces as a network makes them, small and large."""
    at, size = 0, 1
    while at < len(data):
        yield data[at : at + size]
        at, size = at + size, 1 + size * 3 % 97


def check_lines(data: bytes) -> None:
    """No line ends a watch: each is an event of valid records, is left out, or is a broken connection that is retried
    with a log of one line.
    """
    _follow(EMPTY, data.split(b"\n"))


def check_page(data: bytes) -> None:
    """Read a list: other objects in it are left out, and an answer that is no list is requested
    again.
    """
    _follow(data, [])


def _follow(page: bytes, lines: list[bytes]) -> None:
    leases = KubeLeaseWatch(_Server(page, lines), "pulltrace")._resource
    for resource in (leases, pod_watch._RESOURCE, event_watch._RESOURCE):
        drive(_watched(resource, page, lines))


async def _watched(resource: Resource[Any], page: bytes, lines: list[bytes]) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    timing = Timing(monotonic=lambda: 0.0, sleep=sleep, uniform=lambda low, high: high)
    watch = Watch(_Server(page, lines), resource, timing=timing)
    try:
        async with aclosing(watch.events()) as events:
            async for event in events:
                match event:
                    case Listed(items):
                        for item in items:
                            _is_sound(item)
                    case Put(item):
                        _is_sound(item)
                    case Gone(key):
                        assert isinstance(key, str)
    except _AllSent:
        pass
    assert all(0 < seconds <= 150 for seconds in waits)
    if watch.health.problem is not None:
        is_line(watch.health.problem, PROBLEM_CHARACTERS)


def _is_sound(item: object) -> None:
    match item:
        case LeaseRecord():
            is_record(item)
        case PodRecord():
            is_pod(item)
        case EventRecord():
            is_event(item)
        case _:
            raise AssertionError(item)
