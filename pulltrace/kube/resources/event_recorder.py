"""Writes Events of pods: one object for each pod and reason, patched when there is something new to say."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from urllib.parse import quote

from pulltrace.kube.client.api import MERGE_PATCH, Requesting
from pulltrace.kube.errors import ApiError
from pulltrace.kube.resources import pod_events
from pulltrace.kube.resources.pod_events import PodEvent

MOST_KNOWN = 10_000
"""Events whose count is remembered; of others it is read back, which costs two requests more."""
WRITE_SECONDS = 5.0


class KubeEventWriter:
    """`EventWriting` over the API server, in the name of the process `instance`."""

    def __init__(self, connection: Requesting, instance: str, *, wall: Callable[[], float] = time.time) -> None:
        self._api = connection
        self._instance = instance
        self._wall = wall
        self._counts: OrderedDict[tuple[str, str], int] = OrderedDict()

    async def write(self, event: PodEvent) -> None:
        """Says it, once more where it has been said before. Raises `KubeError`."""
        key = event.namespace, event.name
        count = self._counts.pop(key, None)
        if count is None:
            count = await self._create(event)
        if count:
            try:
                await self._patch(event, pod_events.again(event, self._instance, count + 1, self._wall()))
            except ApiError as error:
                if error.status != 404:
                    raise
                count = await self._create(event)  # an Event lives for an hour
        self._counts[key] = count + 1
        if len(self._counts) > MOST_KNOWN:
            self._counts.popitem(last=False)

    async def _create(self, event: PodEvent) -> int:
        """How often it had been told before: 0 where it did not exist and has now been told."""
        try:
            await self._send("POST", _path(event.namespace), pod_events.made(event, self._instance, self._wall()))
        except ApiError as error:
            if error.status != 409:
                raise
        else:
            return 0
        # The leader before has told it. A patch of nothing gives the object back; a right to read is not needed.
        return pod_events.count_of(await self._patch(event, {}))

    async def _patch(self, event: PodEvent, body: object) -> object:
        return await self._send("PATCH", f"{_path(event.namespace)}/{quote(event.name, safe='')}", body, MERGE_PATCH)

    async def _send(self, method: str, path: str, body: object, content_type: str = "application/json") -> object:
        _, raw = await self._api.request(
            method, path, body=body, content_type=content_type, timeout_seconds=WRITE_SECONDS
        )
        return raw


def _path(namespace: str) -> str:
    return f"/api/v1/namespaces/{quote(namespace, safe='')}/events"
