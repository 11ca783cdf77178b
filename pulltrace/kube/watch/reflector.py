"""List and watch, without end: three nested generators, from one connection to for ever.

`_connection` reads one watch until the server ends it. `_list_and_watch` lists once, then watches from there,
connection after connection, until the version it knows has expired (410) or the next list is due. `events`
does that for ever. No error leaves it: what went wrong is logged, counted, and tried again after a wait.

Why not the library's: its watches reconnect without a delay when the answer is empty, repeat an expired
version, and build a typed model of some 90 KiB for every object. Three rules come from experience with API
servers: a watch that ends within a second without an event is an error, not news; a minute of silence is a
dead connection, since the server ends each watch before; and every ten minutes everything is listed again,
because nobody should trust a watch to have told everything.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pulltrace.kube.client.aiohttp_client import Connection
from pulltrace.kube.client.retry import Backoff, Timing
from pulltrace.kube.decoding.fields import (
    Raw,
    deleted_in,
    frame,
    needed_text,
    status_error,
    text_of,
    version_in,
    version_of,
)
from pulltrace.kube.decoding.json_fields import Shape
from pulltrace.kube.decoding.left_out import LeftOut
from pulltrace.kube.decoding.object_reader import MAX_OBJECT_BYTES, NotRead, Piece, TooLong
from pulltrace.kube.errors import ApiError, ApiTooSlow, KubeError
from pulltrace.kube.watch.watch_events import Gone, Listed, Put, WatchEvent

PAGE_ITEMS = 500
"""Fewer after a page that was not read in time: a quarter each time, until one is."""
LIST_SECONDS = 60.0
"""Time limit of a page; API servers end a request after as long."""
WATCH_SECONDS = (40.0, 50.0)
"""The server ends each watch after so long. Less than READ_SECONDS, or a quiet watch would look dead; and
drawn anew each time, so that watches spread over the API servers."""
READ_SECONDS = 60.0
RELIST_SECONDS = 600.0
SHORT_SECONDS = 1.0
FORBIDDEN_SECONDS = 60.0
"""A permission is given by a person: asking more often would only fill the audit log."""
LONGEST_RETRY_AFTER_SECONDS = 120.0
"""More than this comes from a misconfigured proxy rather than from an API server."""

Item = TypeVar("Item")

_log = logging.getLogger(__name__)


def name_of(raw: Raw) -> str:
    """The key of an object that is alone in its namespace's watch."""
    return needed_text(raw["metadata"]["name"])


@dataclass(frozen=True, slots=True)
class Resource(Generic[Item]):
    """What is watched and how it is read."""

    name: str
    """For logs and metrics: `leases`, `pods`."""
    path: str
    parse: Callable[[Raw], Item | None]
    """An object as the API sends it to a record; None leaves it out."""
    permission: str
    """What to grant when the server answers 403: `list and watch leases in namespace pulltrace`."""
    key: Callable[[Raw], str] = name_of
    """What `Gone` says of a deleted object."""
    selectors: Mapping[str, str] = field(default_factory=dict)
    """`fieldSelector` and `labelSelector`."""
    wanted: Callable[[bytes], bool] | None = None
    """Whether a line is worth parsing; None when all are."""
    shape: Shape | None = None
    """The fields to read of a large object; None reads all of them."""
    max_bytes: int = MAX_OBJECT_BYTES
    """A longer object is left out, before it is parsed."""
    news: bool = False
    """What was missed need not be made up for: after the first list, a new beginning only asks for the version of now.

    Events are such. The API server keeps none in memory, so it sends no bookmarks, and on a quiet cluster a
    version is expired after some minutes; a list of all Events each time would be dear.
    """


@dataclass(slots=True)
class WatchHealth:
    """How a watch is doing: written by the watch, read by readiness and metrics."""

    resource: str
    synced: bool = False
    """It has listed once."""
    heard_at: float | None = None
    """When the server last said anything, on the monotonic clock; more than 90 s ago is stale."""
    restarts: Counter[str] = field(default_factory=Counter)
    """Why connections ended: `ended` (by the server's time limit), `relist`, `expired`, `empty`, `forbidden`, `error`."""
    problem: str | None = None
    """What is wrong now; None while all is well."""
    left_out: LeftOut | None = None


class _EndedAtOnce(KubeError):
    """200, and nothing in it: what an API server answers when it has lost track of the version."""


class Watch(Generic[Item]):
    """One resource, listed and watched through one connection."""

    def __init__(
        self,
        connection: Connection,
        resource: Resource[Item],
        *,
        health: WatchHealth | None = None,
        timing: Timing | None = None,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self.health = health or WatchHealth(resource.name)
        self._api = connection
        self._resource = resource
        self._timing = timing or Timing()
        self._backoff = Backoff(self._timing.uniform)
        self._read_seconds = read_seconds
        self._has_listed = False
        self._page_items = PAGE_ITEMS
        self._leave_out = self.health.left_out = LeftOut(resource.name, resource.max_bytes, self._timing.monotonic)

    async def events(self) -> AsyncGenerator[WatchEvent[Item], None]:
        """A `Listed`, then `Put` and `Gone`; a `Listed` again whenever changes may have been missed."""
        while True:
            try:
                async with aclosing(self._list_and_watch()) as events:
                    async for event in events:
                        yield event
                self.health.restarts["relist"] += 1
            except KubeError as error:
                await self._pause(error)

    async def _list_and_watch(self) -> AsyncGenerator[WatchEvent[Item], None]:
        version = ""
        async with aclosing(self._list()) as parts:
            async for listed_version, listed in parts:
                version = listed_version
                yield listed
        due_at = self._timing.monotonic() + self._timing.uniform(0.9, 1.1) * RELIST_SECONDS
        while self._timing.monotonic() < due_at:
            began_at = self._timing.monotonic()
            eventful = False
            try:
                async with aclosing(self._connection(version)) as frames:
                    async for seen, event in frames:
                        version = seen
                        if event is not None:
                            eventful = True
                            self._backoff.reset()
                            yield event
            except KubeError as error:
                if isinstance(error, ApiError) and error.status == 410:
                    raise
                # Anything else leaves our version valid: go on from it and spare the server a list.
                await self._pause(error)
                continue
            if self._timing.monotonic() - began_at >= SHORT_SECONDS:
                self.health.restarts["ended"] += 1
                self._heard()
                self._backoff.reset()
            elif eventful:
                self.health.restarts["ended"] += 1
                await self._timing.sleep(self._backoff.next())
            else:
                raise _EndedAtOnce("the watch ended at once and without an event")

    async def _connection(self, version: str) -> AsyncGenerator[tuple[str, WatchEvent[Item] | None], None]:
        """One watch: each line's resource version, and its event where it has one."""
        params = {
            **self._resource.selectors,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(round(self._timing.uniform(*WATCH_SECONDS))),
        }
        stream = self._api.stream(self._resource.path, params, self._read_seconds, self._resource.max_bytes)
        async with aclosing(stream) as lines:
            async for line in lines:
                seen, event = self._line(line)
                del line  # it may be long, and the reader of the event may wait
                version = seen or version
                yield version, event

    def _line(self, line: bytes | TooLong) -> tuple[str, WatchEvent[Item] | None]:
        """The version of a line of the watch, empty where it has none, and its event."""
        if isinstance(line, TooLong):
            self._heard()
            self._leave_out.piece(line)
            # The object may be known from a time when it was shorter.
            deleted = deleted_in(line.head)
            return version_in(line.head), self._event("DELETED", deleted) if deleted else None
        if self._resource.wanted is not None and not self._resource.wanted(line):
            self._heard()
            return version_in(line), None
        kind, raw = frame(line, self._resource.shape)
        if kind == "ERROR":
            raise status_error(raw)
        self._heard()
        return version_of(raw), self._event(kind, raw)

    def _event(self, kind: str, raw: Raw) -> WatchEvent[Item] | None:
        if kind == "DELETED":
            key = self._read(self._resource.key, raw)
            return None if key is None else Gone(key)
        if kind in {"ADDED", "MODIFIED"}:
            item = self._read(self._resource.parse, raw)
            return None if item is None else Put(item)
        return None  # a bookmark, or something newer than this code

    async def _list(self) -> AsyncGenerator[tuple[str, Listed[Item]], None]:
        """All there is, and the version from which to watch. News come page by page, which bounds memory."""
        items: list[Item] = []

        def take(piece: Piece) -> None:
            if isinstance(piece, (TooLong, NotRead)):
                self._leave_out.piece(piece)
            elif (item := self._read(self._resource.parse, piece)) is not None:
                items.append(item)

        if self._resource.news and self._has_listed:
            # NOTE: without a selector, or the server would read everything to find the one that is asked for.
            metadata = await self._page({"limit": "1"}, lambda piece: None)
            self._heard()
            yield str(metadata["resourceVersion"]), Listed(())
            return
        token = ""
        while True:
            params = {**self._resource.selectors, "limit": str(self._page_items)}
            if token:
                params["continue"] = token
            elif not self._has_listed and not self._resource.news and self._page_items == PAGE_ITEMS:
                # From the server's cache: cheap, and good enough to begin with, but never in pages. Later it might be
                # older than what we have seen, and time must not run backwards: then the list is asked for as it is.
                params["resourceVersion"] = "0"
            metadata = await self._page(params, take)
            token = text_of(metadata.get("continue"))
            version = str(metadata["resourceVersion"])
            if not token:
                break
            if self._resource.news and items:
                yield version, Listed(tuple(items), whole=False)
                items.clear()
        self._has_listed = True
        self.health.synced = True
        self._heard()
        yield version, Listed(tuple(items))

    async def _page(self, params: Mapping[str, str], take: Callable[[Piece], None]) -> Raw:
        it = self._resource
        try:
            page = await self._api.list_page(
                it.path, params, take, shape=it.shape, max_object_bytes=it.max_bytes, timeout_seconds=LIST_SECONDS
            )
        except ApiTooSlow:
            self._page_items = max(1, self._page_items // 4)
            raise
        self._page_items = min(PAGE_ITEMS, 2 * self._page_items)
        return page

    def _read(self, reader: Callable[[Raw], Item | str | None], raw: Raw) -> Any:
        """What `reader` makes of an object; None for one that it cannot read, which must not end the watch."""
        try:
            return reader(raw)
        except Exception as error:
            self._leave_out.note("one", f"it cannot be read ({repr(error)[:150]})")
            return None

    def _heard(self) -> None:
        self.health.heard_at = self._timing.monotonic()
        self.health.problem = None

    async def _pause(self, error: KubeError) -> None:
        """Say what went wrong, count it, and wait as long as it calls for."""
        # A list and a watch that both were in vain are two requests, hence two steps of the backoff.
        seconds = self._backoff.next(2 if isinstance(error, _EndedAtOnce) else 1)
        reason, text = "error", str(error)
        if isinstance(error, _EndedAtOnce):
            reason = "empty"
        elif isinstance(error, ApiError):
            if error.status == 410:
                reason = "expired"
            elif error.status == 403:
                reason, text = "forbidden", f"missing permission to {self._resource.permission}: {error}"
                seconds = max(seconds, self._timing.uniform(1.0, 1.25) * FORBIDDEN_SECONDS)
            seconds = max(seconds, min(error.retry_after_seconds or 0.0, LONGEST_RETRY_AFTER_SECONDS))
        self.health.restarts[reason] += 1
        self.health.problem = text
        level = logging.INFO if reason == "expired" else logging.WARNING
        _log.log(level, "watching %s: %s; trying again in %.1f s", self._resource.name, text, seconds)
        await self._timing.sleep(seconds)
