"""The other clients of the API server in `cluster_load`, each as its own process: kubelets and a viewer.

They append lines to a file (times are of the system's monotonic clock, which all processes share):

    renewal AT SECONDS STATUS      a kubelet's renewal of its Lease, from its planned time to the answer
    watch AT VERSION               a watch like the aggregator's received an agent's Lease
    sse AT ID PHASE BYTES          the aggregator's event stream reported a pull
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TextIO

import aiohttp
import orjson

from pulltrace.kube.client.aiohttp_client import AiohttpClient
from pulltrace.kube.client.credentials import RestConfig, StaticConfig
from pulltrace.kube.client.h11_client import H11Client
from pulltrace.kube.errors import ApiError, KubeError
from pulltrace.kube.resources.leases import lease_list_watch, micro_time
from pulltrace.kube.watch.reflector import Reflector
from pulltrace.kube.watch.watch_events import Upserted

NAMESPACE = "kube-node-lease"
LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
CONNECTIONS = 24
KUBELET_SECONDS = 10.0
"""Renewal period of a kubelet."""
NAMES_AT_ONCE = 500
"""Number of Leases when they are renewed without a rate."""


async def kubelets(access: RestConfig, out: TextIO, rate: float) -> None:
    """Renew so many Leases a second at their planned times, however slow the answers are; 0 renews as fast as answers
    come.
    """
    connections = [H11Client(StaticConfig(access)) for _ in range(CONNECTIONS)]
    names = [f"kubelet-{number}" for number in range(round(rate * KUBELET_SECONDS) or NAMES_AT_ONCE)]
    versions: dict[str, str] = {}
    planned: asyncio.Queue[tuple[float, str]] = asyncio.Queue(0 if rate else 1)

    async def renew(connection: H11Client) -> None:
        while True:
            at, name = await planned.get()
            status = 0
            try:
                status = await _renew(connection, name, versions)
            except ApiError as error:
                status = error.status
                versions.pop(name, None)
            except KubeError:
                versions.pop(name, None)
            print("renewal", at, time.monotonic() - at, status, file=out)

    async with asyncio.TaskGroup() as tasks:
        for connection in connections:
            tasks.create_task(renew(connection))
        began = time.monotonic()
        for number in range(sys.maxsize):
            if not rate:
                await planned.put((time.monotonic(), names[number % len(names)]))
                continue
            at = began + number / rate
            await asyncio.sleep(max(0.0, at - time.monotonic()))
            if planned.qsize() < 10 * rate:  # the API server is down: a kubelet would not retry more often either
                planned.put_nowait((at, names[number % len(names)]))


async def _renew(connection: H11Client, name: str, versions: dict[str, str]) -> int:
    metadata = {"name": name, "namespace": NAMESPACE}
    spec = {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": micro_time(time.time())}
    body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
    if name in versions:
        metadata["resourceVersion"] = versions[name]
        status, answer = await connection.request("PUT", f"{LEASES}/{name}", body=body)
    else:
        try:
            status, answer = await connection.request("POST", LEASES, body=body)
        except ApiError as error:
            if error.status != 409:
                raise
            status, answer = await connection.request("GET", f"{LEASES}/{name}")
    versions[name] = answer["metadata"]["resourceVersion"]
    return status


async def viewer(access: RestConfig, out: TextIO, namespace: str, url: str) -> None:
    """Run one viewer of the page, and a second watch of the Leases."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_watch(access, out, namespace))
        tasks.create_task(_forever(lambda: _read_stream(out, url)))


async def _watch(access: RestConfig, out: TextIO, namespace: str) -> None:
    async for event in Reflector(AiohttpClient(StaticConfig(access)), lease_list_watch(namespace)).watch():
        if isinstance(event, Upserted):
            print("watch", time.monotonic(), event.item.version, file=out)


async def _forever(work: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await work()
        except (aiohttp.ClientError, TimeoutError) as error:
            print("stream ended:", error, file=sys.stderr)
        await asyncio.sleep(1)


async def _read_stream(out: TextIO, url: str) -> None:
    timeout = aiohttp.ClientTimeout(total=None, sock_read=60)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as answer:
        begun = b""
        async for chunk in answer.content.iter_any():
            at = time.monotonic()
            *lines, begun = (begun + chunk).split(b"\n")
            for line in lines:
                event = orjson.loads(line[5:]) if line.startswith(b"data:") else {}
                if (pull := event.get("pull")) is not None:
                    print("sse", at, pull["id"], pull["phase"], pull["downloadedBytes"], file=out)


def main() -> None:
    what, base_url, ca_file, certificate_file, key_file, path, *more = sys.argv[1:]
    access = RestConfig(base_url, ca_file=ca_file, certificate_file=certificate_file, key_file=key_file)
    with Path(path).open("a", buffering=1, encoding="utf-8") as out:
        work = kubelets(access, out, float(more[0])) if what == "kubelets" else viewer(access, out, more[0], more[1])
        asyncio.run(work)


if __name__ == "__main__":
    main()
