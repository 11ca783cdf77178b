"""Lists and watches: lines and pages as an API server or a proxy sends them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

from pulltrace.kube.client.aiohttp_client import AiohttpClient
from pulltrace.kube.client.api import Params, decode_body
from pulltrace.kube.client.retry import Timing
from pulltrace.kube.decoding.api_objects import Raw, list_metadata
from pulltrace.kube.decoding.object_reader import LargeObjectLock, ListItem, ListReader, TooLong, read_lines
from pulltrace.kube.decoding.partial_json import Shape
from pulltrace.kube.resources.kubelet_events import KUBELET_EVENTS, KubeletEvent
from pulltrace.kube.resources.leases import LeaseRecord, lease_list_watch
from pulltrace.kube.resources.pending_pods import PENDING_PODS, PodRecord
from pulltrace.kube.watch.list_watch import ListWatch
from pulltrace.kube.watch.reflector import Reflector
from pulltrace.kube.watch.watch_events import Deleted, Replaced, Upserted
from tests.fuzz.leases import is_record
from tests.fuzz.objects import is_event, is_pod
from tests.fuzz.properties import drive, is_line

EMPTY = b'{"metadata": {"resourceVersion": "1"}, "items": null}'
PROBLEM_CHARACTERS = 700
MAX_BYTES = 16 * 1024
"""Few enough for some inputs to be too long."""


class _Exhausted(BaseException):
    """The server has sent all bytes."""


class _Server(AiohttpClient):
    """A client whose one list and one watch have given bytes."""

    def __init__(self, page: bytes, lines: list[bytes]) -> None:
        self._page: bytes | None = page
        self._lines: list[bytes] | None = lines

    async def list_page(
        self, path: str, params: Params, handle: Callable[[ListItem], None], *, shape: Shape | None = None, **_: Any
    ) -> Raw:
        if self._page is None:
            raise _Exhausted
        page, self._page = self._page, None
        async with LargeObjectLock().reservation() as reservation:
            reader = ListReader(_chunks(page), reservation, shape, MAX_BYTES)
            async for item in reader.items():
                handle(item)
        return list_metadata(path, decode_body(path, reader.envelope, "application/json"))

    async def stream(
        self, path: str, params: Params, read_timeout_seconds: float = 60.0, max_line_bytes: int = MAX_BYTES
    ) -> AsyncGenerator[bytes | TooLong, None]:
        if self._lines is None:
            raise _Exhausted
        lines, self._lines = self._lines, None
        async with LargeObjectLock().reservation() as reservation:
            async for line in read_lines(_chunks(b"\n".join(lines)), reservation, MAX_BYTES):
                yield line


async def _chunks(data: bytes) -> AsyncIterator[bytes]:
    """Yield the bytes in pieces as a network makes them, small and large."""
    at, size = 0, 1
    while at < len(data):
        yield data[at : at + size]
        at, size = at + size, 1 + size * 3 % 97


def check_lines(data: bytes) -> None:
    """No line ends a watch: each is an event of sound records, is left out, or ends the connection, which is retried.

    The health's problem is one line.
    """
    _follow(EMPTY, data.split(b"\n"))


def check_page(data: bytes) -> None:
    """Check the same for a list: an item that is no such object is left out, and a page that is no list is retried."""
    _follow(data, [])


def _follow(page: bytes, lines: list[bytes]) -> None:
    list_watches: tuple[ListWatch[Any], ...] = (lease_list_watch("pulltrace"), PENDING_PODS, KUBELET_EVENTS)
    for list_watch in list_watches:
        drive(_watched(list_watch, page, lines))


async def _watched(list_watch: ListWatch[Any], page: bytes, lines: list[bytes]) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    timing = Timing(monotonic=lambda: 0.0, sleep=sleep, uniform=lambda low, high: high)
    reflector = Reflector(_Server(page, lines), list_watch, timing=timing)
    try:
        async with aclosing(reflector.watch()) as events:
            async for event in events:
                match event:
                    case Replaced(items):
                        for item in items:
                            _is_sound(item)
                    case Upserted(item):
                        _is_sound(item)
                    case Deleted(key):
                        assert isinstance(key, str)
    except _Exhausted:
        pass
    assert all(0 < seconds <= 150 for seconds in waits)
    if reflector.health.problem is not None:
        is_line(reflector.health.problem, PROBLEM_CHARACTERS)


def _is_sound(item: object) -> None:
    match item:
        case LeaseRecord():
            is_record(item)
        case PodRecord():
            is_pod(item)
        case KubeletEvent():
            is_event(item)
        case _:
            raise AssertionError(item)
