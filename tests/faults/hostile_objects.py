"""Objects that fill the aggregator's memory: as many and as large as an API server takes.

The scenario D25 and `benchmarks.hostile_objects` use them.
"""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import ssl
from collections.abc import Iterable, Iterator
from pathlib import Path

import aiohttp

from tests.builders.events import event_object
from tests.cluster.api import JSON, Identity

NAMESPACE = "hostile"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
EVENTS = f"/api/v1/namespaces/{NAMESPACE}/events"

MEGABYTE = 1_000_000
CONNECTIONS = 8
TRIES = 5
"""A busy machine's API server may need too long for an object."""
METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
"""Otherwise each answer would contain the whole object again."""


def pods(count: int, node: str = "node-1") -> Iterator[JSON]:
    """Yield pending Pods of 1 MB: in turn one text that JSON makes six times as long, many tiny values, and many
    containers.
    """
    kinds = itertools.cycle((_escapes, _tiny_values, _containers))
    for number, kind in zip(range(count), kinds):
        spec: JSON = {"nodeName": node, "containers": kind()}
        yield {"metadata": {"name": f"pod-{number}", "namespace": NAMESPACE}, "spec": spec}


def _escapes() -> list[JSON]:
    return [{"name": "main", "image": "hostile.test/a:1", "env": [{"name": "A", "value": "<" * MEGABYTE}]}]


def _tiny_values() -> list[JSON]:
    return [{"name": "main", "image": "hostile.test/a:1", "env": [{"name": "A"}] * 77_000}]


def _containers() -> list[JSON]:
    return [{"name": f"c{number}", "image": "\U0001f40b" * 80} for number in range(2_400)]


def large_events(count: int) -> Iterator[JSON]:
    """Yield Events of 1.4 MB, which are 8 MB of JSON."""
    for number in range(count):
        yield event(f"large-{number}", f"invented-{number}", "<" * 1_400_000)


def invented_events(count: int) -> Iterator[JSON]:
    """Yield Events about pods that do not exist."""
    for number in range(count):
        yield event(f"invented-{number}", f"invented-{number}", "\U0001f40b" * 240)


def event(name: str, uid: str, text: str) -> JSON:
    """Return an Event about a failed pull with this text."""
    message = f'Failed to pull image "hostile.test/a:1": {text}'
    metadata = {"name": name, "namespace": NAMESPACE}
    return event_object("Failed", message, pod=name, namespace=NAMESPACE, uid=uid, metadata=metadata, type="Warning")


def create(admin: Identity, path: str, objects: Iterable[JSON]) -> int:
    """Create all objects in parallel, and return their number."""
    return asyncio.run(_create(admin, path, objects))


async def _create(admin: Identity, path: str, objects: Iterable[JSON]) -> int:
    context = ssl.create_default_context(cafile=str(admin.authority))
    assert admin.certificate is not None
    context.load_cert_chain(admin.certificate.certificate, admin.certificate.key)
    every, made = iter(objects), 0

    async def worker(session: aiohttp.ClientSession) -> None:
        nonlocal made
        for one in every:
            data = json.dumps(one, ensure_ascii=False).encode()
            headers = {"Content-Type": "application/json", "Accept": METADATA_ONLY}
            for _ in range(TRIES):
                async with session.post(admin.url + path, data=io.BytesIO(data), headers=headers) as answer:
                    text = await answer.text()
                if answer.status in {201, 409}:  # 409: it was made when its answer came too late
                    break
            else:
                raise AssertionError(text[:300])
            made += 1

    connector = aiohttp.TCPConnector(limit=CONNECTIONS, ssl=context)
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as tasks:
        for _ in range(CONNECTIONS):
            tasks.create_task(worker(session))
    return made


def peak_mib(pid: int) -> float:
    """Return the peak of resident memory, as the kernel counts it (`VmHWM`)."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM:"))
