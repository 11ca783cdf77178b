"""One watch over the whole cluster, or one for each permitted namespace, joined to one.

The items of each namespace are kept by key, so that the list of one namespace becomes the list of all. Ephemeral
objects are not kept: their lists are passed on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Generic, TypeAlias, TypeVar
from urllib.parse import quote

from pulltrace.kube.client.aiohttp_client import AiohttpClient
from pulltrace.kube.client.retry import Timing
from pulltrace.kube.watch.list_watch import ListWatch
from pulltrace.kube.watch.reflector import Reflector, WatchHealth
from pulltrace.kube.watch.watch_events import Deleted, Replaced, Upserted, WatchEvent

Item = TypeVar("Item")
_Queue: TypeAlias = asyncio.Queue[tuple[int, WatchEvent[Item]] | Exception]

QUEUE_EVENTS = 100
"""Small: a watch that is ahead of the reader waits, and the API server keeps the rest."""


def in_namespace(path: str, namespace: str) -> str:
    """Return the path of one namespace's objects, such as `/api/v1/namespaces/shop/pods` for `/api/v1/pods`."""
    start, _, plural = path.rpartition("/")
    return f"{start}/namespaces/{quote(namespace, safe='')}/{plural}"


def reflect_namespaces(
    client: AiohttpClient, list_watch: ListWatch[Item], namespaces: Sequence[str] = (), *, timing: Timing | None = None
) -> Reflector[Item] | MultiNamespaceReflector[Item]:
    """Return a reflector of the namespaces, of all when empty; `list_watch` is the one of all namespaces."""
    names = tuple(dict.fromkeys(namespaces))
    reflectors = [Reflector(client, _of_namespace(list_watch, name), timing=timing) for name in names or ("",)]
    return reflectors[0] if len(reflectors) == 1 else MultiNamespaceReflector(reflectors, list_watch.item_key)


class MultiNamespaceReflector(Generic[Item]):
    """Joins the reflectors of several namespaces."""

    def __init__(self, reflectors: Sequence[Reflector[Item]], item_key: Callable[[Item], str] | None) -> None:
        self._reflectors = reflectors
        self._item_key = item_key

    @property
    def healths(self) -> tuple[WatchHealth, ...]:
        """One for each namespace."""
        return tuple(reflector.health for reflector in self._reflectors)

    async def watch(self) -> AsyncGenerator[WatchEvent[Item], None]:
        queue: _Queue[Item] = asyncio.Queue(QUEUE_EVENTS)
        tasks = [
            asyncio.create_task(_enqueue(number, reflector, queue)) for number, reflector in enumerate(self._reflectors)
        ]
        items: list[dict[str, Item]] = [{} for _ in self._reflectors]
        try:
            while True:
                queued = await queue.get()
                if isinstance(queued, Exception):
                    raise queued  # a bug: a reflector does not end for any other reason
                yield _join(queued[1], items, queued[0], self._item_key)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _of_namespace(list_watch: ListWatch[Item], namespace: str) -> ListWatch[Item]:
    if not namespace:
        return replace(list_watch, permission=f"{list_watch.permission} in all namespaces")
    return replace(
        list_watch,
        resource=f"{list_watch.resource} of {namespace}",
        path=in_namespace(list_watch.path, namespace),
        permission=f"{list_watch.permission} in namespace {namespace}",
    )


def _join(
    event: WatchEvent[Item], items: list[dict[str, Item]], number: int, item_key: Callable[[Item], str] | None
) -> WatchEvent[Item]:
    """Apply the event of one namespace to `items`, and return it as an event of all namespaces."""
    if item_key is None:
        return event
    match event:
        case Replaced(listed):
            items[number] = {item_key(item): item for item in listed}
            return Replaced(tuple(item for namespace in items for item in namespace.values()))
        case Upserted(item):
            items[number][item_key(item)] = item
        case Deleted(key):
            items[number].pop(key, None)
    return event


async def _enqueue(number: int, reflector: Reflector[Item], queue: _Queue[Item]) -> None:
    try:
        async with aclosing(reflector.watch()) as events:
            async for event in events:
                await queue.put((number, event))
    except Exception as error:
        await queue.put(error)
