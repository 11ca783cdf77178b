"""List and watch without end, as client-go's Reflector: three nested generators.

`_watch_once` reads one watch until the server ends it. `_list_and_watch` lists once, then watches from there,
connection after connection, until its resource version has expired (410) or the next relist. `watch` repeats that for
ever. No error leaves it: each is logged, counted, and followed by a retry after a delay.

The library's watches reconnect without a delay after an empty response, repeat an expired version, and build a typed
model of some 90 KiB for every object. Three rules come from faults of API servers: a watch that ends within a second
without an event is an error; a minute of silence is a dead connection, since the server ends each watch before; and
every ten minutes a relist replaces what a watch may have missed.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pulltrace.kube.client.aiohttp_client import AiohttpClient
from pulltrace.kube.client.retry import Backoff, Timing
from pulltrace.kube.decoding.api_objects import (
    Raw,
    decode_watch_line,
    deleted_object,
    resource_version,
    scan_resource_version,
    status_error,
    text_or_empty,
)
from pulltrace.kube.decoding.object_reader import ListItem, NotJson, TooLong
from pulltrace.kube.errors import ApiError, ApiTooSlow, KubeError, explain
from pulltrace.kube.watch.left_out import LeftOut
from pulltrace.kube.watch.list_watch import ListWatch
from pulltrace.kube.watch.watch_events import Deleted, Replaced, Upserted, WatchEvent

PAGE_ITEMS = 500
"""Objects in a page; a quarter of them after each page that was not read in time."""
LIST_SECONDS = 60.0
"""Time limit of a page; API servers have the same."""
WATCH_SECONDS = (40.0, 50.0)
"""Range of the time after which the server ends a watch. Shorter than READ_SECONDS, or a quiet watch would look dead;
random, so that watches spread over the API servers."""
READ_SECONDS = 60.0
RELIST_SECONDS = 600.0
SHORT_SECONDS = 1.0
"""A watch that ends sooner, without an event, is an error."""

Item = TypeVar("Item")

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class WatchHealth:
    """The state of a watch: written by its reflector, read by readiness and metrics."""

    resource: str
    synced: bool = False
    """It has listed once."""
    last_response_at: float | None = None
    """When the server last sent anything, on the monotonic clock; more than 90 s ago is stale."""
    restarts: Counter[str] = field(default_factory=Counter)
    """Why connections ended: `ended` (by the server's time limit), `relist`, `expired`, `empty`, `forbidden`, `error`."""
    problem: str | None = None
    """The current error; None without one."""
    left_out: LeftOut | None = None


class _EndedAtOnce(KubeError):
    """An empty watch with status 200: the API server's response when it has lost track of the version."""


class Reflector(Generic[Item]):
    """Lists and watches one resource through one client."""

    def __init__(
        self,
        client: AiohttpClient,
        list_watch: ListWatch[Item],
        *,
        timing: Timing | None = None,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self.health = WatchHealth(list_watch.resource)
        self._client = client
        self._list_watch = list_watch
        self._timing = timing or Timing()
        self._backoff = Backoff(self._timing.uniform)
        self._read_seconds = read_seconds
        self._has_listed = False
        self._page_items = PAGE_ITEMS
        self._left_out = LeftOut(list_watch.resource, list_watch.max_bytes, self._timing.monotonic)
        self.health.left_out = self._left_out

    @property
    def healths(self) -> tuple[WatchHealth, ...]:
        return (self.health,)

    async def watch(self) -> AsyncGenerator[WatchEvent[Item], None]:
        """Yield a `Replaced`, then changes; a `Replaced` again whenever changes may have been missed."""
        while True:
            try:
                async with aclosing(self._list_and_watch()) as events:
                    async for event in events:
                        yield event
                self.health.restarts["relist"] += 1
            except KubeError as error:
                await self._back_off(error)

    async def _list_and_watch(self) -> AsyncGenerator[WatchEvent[Item], None]:
        version = ""
        async with aclosing(self._list()) as parts:
            async for listed_version, listed in parts:
                version = listed_version
                yield listed
        relist_at = self._timing.monotonic() + self._timing.uniform(0.9, 1.1) * RELIST_SECONDS
        while self._timing.monotonic() < relist_at:
            started_at = self._timing.monotonic()
            had_events = False
            try:
                async with aclosing(self._watch_once(version)) as lines:
                    async for seen, event in lines:
                        version = seen
                        if event is not None:
                            had_events = True
                            self._backoff.reset()
                            yield event
            except KubeError as error:
                if isinstance(error, ApiError) and error.status == 410:
                    raise
                # Any other error leaves the version valid: continue from it, which saves the server a list.
                await self._back_off(error)
                continue
            if self._timing.monotonic() - started_at >= SHORT_SECONDS:
                self.health.restarts["ended"] += 1
                self._received()
                self._backoff.reset()
            elif had_events:
                self.health.restarts["ended"] += 1
                await self._timing.sleep(self._backoff.next())
            else:
                raise _EndedAtOnce("the watch ended at once and without an event")

    async def _watch_once(self, version: str) -> AsyncGenerator[tuple[str, WatchEvent[Item] | None], None]:
        """Yield each line's resource version, and its event if it has one."""
        params = {
            **self._list_watch.selectors,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(round(self._timing.uniform(*WATCH_SECONDS))),
        }
        stream = self._client.stream(self._list_watch.path, params, self._read_seconds, self._list_watch.max_bytes)
        async with aclosing(stream) as lines:
            async for line in lines:
                seen, event = self._decode_line(line)
                del line  # it may be long, and the reader of the event may wait
                version = seen or version
                yield version, event

    def _decode_line(self, line: bytes | TooLong) -> tuple[str, WatchEvent[Item] | None]:
        """Return the resource version of a line, empty without one, and its event."""
        if isinstance(line, TooLong):
            self._received()
            self._left_out.item(line)
            # The object may be known from a time when it was shorter.
            deleted = deleted_object(line.head)
            return scan_resource_version(line.head), self._event("DELETED", deleted) if deleted else None
        if self._list_watch.is_wanted is not None and not self._list_watch.is_wanted(line):
            self._received()
            return scan_resource_version(line), None
        kind, raw = decode_watch_line(line, self._list_watch.shape)
        if kind == "ERROR":
            raise status_error(raw)
        self._received()
        return resource_version(raw), self._event(kind, raw)

    def _event(self, kind: str, raw: Raw) -> WatchEvent[Item] | None:
        if kind == "DELETED":
            key = self._read(self._list_watch.key, raw)
            return None if key is None else Deleted(key)
        if kind in {"ADDED", "MODIFIED"}:
            item = self._read(self._list_watch.decode, raw)
            return None if item is None else Upserted(item)
        return None  # a bookmark, or a type that is newer than this code

    async def _list(self) -> AsyncGenerator[tuple[str, Replaced[Item]], None]:
        """Yield all items and the version to watch from. Ephemeral ones come page by page, which bounds memory."""
        items: list[Item] = []

        def handle(listed: ListItem) -> None:
            if isinstance(listed, (TooLong, NotJson)):
                self._left_out.item(listed)
            elif (item := self._read(self._list_watch.decode, listed)) is not None:
                items.append(item)

        if self._list_watch.ephemeral and self._has_listed:
            # NOTE: without a selector, or the server would read all objects to find a match.
            metadata = await self._page({"limit": "1"}, lambda listed: None)
            self._received()
            yield str(metadata["resourceVersion"]), Replaced(())
            return
        token = ""
        while True:
            params = {**self._list_watch.selectors, "limit": str(self._page_items)}
            if token:
                params["continue"] = token
            elif not self._has_listed and not self._list_watch.ephemeral and self._page_items == PAGE_ITEMS:
                # From the server's cache: cheap, and never in pages. A later list could be older than the known state,
                # and time must not run backwards: it is read without a version.
                params["resourceVersion"] = "0"
            metadata = await self._page(params, handle)
            token = text_or_empty(metadata.get("continue"))
            version = str(metadata["resourceVersion"])
            if not token:
                break
            if self._list_watch.ephemeral and items:
                yield version, Replaced(tuple(items), whole=False)
                items.clear()
        self._has_listed = True
        self.health.synced = True
        self._received()
        yield version, Replaced(tuple(items))

    async def _page(self, params: Mapping[str, str], handle: Callable[[ListItem], None]) -> Raw:
        it = self._list_watch
        try:
            page = await self._client.list_page(
                it.path, params, handle, shape=it.shape, max_object_bytes=it.max_bytes, timeout_seconds=LIST_SECONDS
            )
        except ApiTooSlow:
            self._page_items = max(1, self._page_items // 4)
            raise
        self._page_items = min(PAGE_ITEMS, 2 * self._page_items)
        return page

    def _read(self, reader: Callable[[Raw], Item | str | None], raw: Raw) -> Any:
        """Return the result of `reader`; None for an object that it cannot read, which must not end the watch."""
        try:
            return reader(raw)
        except Exception as error:
            self._left_out.note("one", f"it cannot be read ({repr(error)[:150]})")
            return None

    def _received(self) -> None:
        self.health.last_response_at = self._timing.monotonic()
        self.health.problem = None

    async def _back_off(self, error: KubeError) -> None:
        """Log and count an error, and wait."""
        # A list and a watch that both failed are two requests.
        seconds = self._backoff.next(error, requests=2 if isinstance(error, _EndedAtOnce) else 1)
        reason = _restart_reason(error)
        text = explain(error, self._list_watch.permission)
        self.health.restarts[reason] += 1
        self.health.problem = text
        level = logging.INFO if reason == "expired" else logging.WARNING
        _log.log(level, "watching %s: %s; retrying in %.1f s", self._list_watch.resource, text, seconds)
        await self._timing.sleep(seconds)


def _restart_reason(error: KubeError) -> str:
    if isinstance(error, _EndedAtOnce):
        return "empty"
    status = error.status if isinstance(error, ApiError) else None
    return {410: "expired", 403: "forbidden"}.get(status or 0, "error")
