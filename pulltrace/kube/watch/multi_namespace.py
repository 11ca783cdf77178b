"""One watch over the whole cluster, or one for each namespace that we may read, told as one.

Several watches become one by keeping what each has told: a list of one namespace then says all that is known
of the others, too, and whoever reads sees one watch of one set of objects. Of news, which nobody keeps, nothing
is kept here either.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Generic, TypeVar
from urllib.parse import quote

from pulltrace.kube.client.aiohttp_client import Connection
from pulltrace.kube.client.retry import Timing
from pulltrace.kube.watch.reflector import Resource, Watch, WatchHealth
from pulltrace.kube.watch.watch_events import Gone, Listed, Put, WatchEvent

Item = TypeVar("Item")


def in_namespace(path: str, namespace: str) -> str:
    """`/api/v1/pods` as the path of one namespace's pods."""
    start, _, plural = path.rpartition("/")
    return f"{start}/namespaces/{quote(namespace, safe='')}/{plural}"


class NamespacedWatch(Generic[Item]):
    """A resource over all namespaces, or over some."""

    def __init__(
        self,
        connection: Connection,
        resource: Resource[Item],
        namespaces: Sequence[str] = (),
        *,
        key: Callable[[Item], str] | None,
        timing: Timing | None = None,
    ) -> None:
        """`resource`: as it is for all namespaces. `key`: what `Gone` says of an item; None for news, of which a
        list is only ever that of one namespace.
        """
        names = tuple(dict.fromkeys(namespaces))
        self._resources = tuple(_of(resource, name) for name in names) or (_of(resource, ""),)
        self._api = connection
        self._key = key
        self._timing = timing
        self.healths = tuple(WatchHealth(resource.name) for resource in self._resources)
        """One for each namespace; one for all when there is no list of namespaces."""

    async def watch(self) -> AsyncGenerator[WatchEvent[Item], None]:
        watches = [
            Watch(self._api, resource, health=health, timing=self._timing)
            for resource, health in zip(self._resources, self.healths, strict=True)
        ]
        if len(watches) == 1:
            async with aclosing(watches[0].events()) as events:
                async for event in events:
                    yield event
            return
        # Small: a watch that is ahead of the reader waits, and the API server keeps what it has not read.
        told: asyncio.Queue[tuple[int, WatchEvent[Item]] | Exception] = asyncio.Queue(maxsize=100)
        tasks = [asyncio.create_task(_forward(number, watch, told)) for number, watch in enumerate(watches)]
        known: list[dict[str, Item]] = [{} for _ in watches]
        try:
            while True:
                heard = await told.get()
                if isinstance(heard, Exception):
                    raise heard  # a mistake of ours: a watch does not end for any other reason
                yield _joined(heard[1], known, heard[0], self._key)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _of(resource: Resource[Item], namespace: str) -> Resource[Item]:
    if not namespace:
        return replace(resource, permission=f"{resource.permission} in all namespaces")
    return replace(
        resource,
        name=f"{resource.name} of {namespace}",
        path=in_namespace(resource.path, namespace),
        permission=f"{resource.permission} in namespace {namespace}",
    )


def _joined(
    event: WatchEvent[Item], known: list[dict[str, Item]], number: int, key: Callable[[Item], str] | None
) -> WatchEvent[Item]:
    """The event of one of several watches as one of the whole; notes it in `known`."""
    if key is None:
        return event
    match event:
        case Listed(items):
            known[number] = {key(item): item for item in items}
            return Listed(tuple(item for one in known for item in one.values()))
        case Put(item):
            known[number][key(item)] = item
        case Gone(name):
            known[number].pop(name, None)
    return event


async def _forward(
    number: int, watch: Watch[Item], told: asyncio.Queue[tuple[int, WatchEvent[Item]] | Exception]
) -> None:
    try:
        async with aclosing(watch.events()) as events:
            async for event in events:
                await told.put((number, event))
    except Exception as error:
        await told.put(error)
