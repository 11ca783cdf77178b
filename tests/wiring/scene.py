"""A program as its command starts it, in this process, between a fake API server and a fake containerd."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pulltrace import cli
from pulltrace.kube.resources.leases import micro_time
from pulltrace.pulls.lease_format.annotations import encode
from pulltrace.pulls.model import NodeReport
from pulltrace.settings.parser import flags_of
from tests.builders.leases import lease_object
from tests.builders.pods import NODE, pod_object
from tests.cluster.processes import free_port
from tests.fakes import api_server, containerd
from tests.fakes.api_server import FakeApiServer
from tests.fakes.containerd import FakeContainerd, until

NAMESPACE = "pulltrace"
IMAGE = "docker.io/library/nginx:1.29"


@dataclass
class Running:
    """A program that runs."""

    http_url: str
    metrics_url: str
    session: aiohttp.ClientSession

    async def text(self, url: str, **headers: str) -> tuple[int, str]:
        """Return status and body."""
        async with self.session.get(url, headers=headers) as answer:
            return answer.status, await answer.text()

    async def document(self, path: str) -> Any:
        """Return a JSON document of the API."""
        async with self.session.get(self.http_url + path) as answer:
            return await answer.json()

    async def rows(self) -> list[dict[str, Any]]:
        """Return the pulls that the API shows."""
        rows: list[dict[str, Any]] = (await self.document("/api/v1/pulls"))["pulls"]
        return rows

    async def shows(self, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return the first pull that fits, as soon as the API shows one."""
        found: list[dict[str, Any]] = await until(lambda: _matching(self.rows(), fits))
        return found[0]

    async def stream_status(self, stack: AsyncExitStack, **headers: str) -> int:
        """Open an event stream that stays open with the stack; return its status."""
        request = self.session.get(f"{self.http_url}/api/v1/events", headers=headers)
        return (await stack.enter_async_context(request)).status


@dataclass
class Scene:
    """The systems around a program, and what every program needs to start."""

    program: str
    server: FakeApiServer
    node: FakeContainerd
    folder: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    defaults: Mapping[str, str] = field(default_factory=dict)

    def kubeconfig(self, server: FakeApiServer) -> str:
        """Return the path of a kubeconfig for a server."""
        path = self.folder / f"kubeconfig-{server.url.rpartition(':')[2]}"
        path.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [{"name": "c", "cluster": {"server": server.url}}],
                    "users": [{"name": "u", "user": {}}],
                    "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                    "current-context": "x",
                }
            )
        )
        return str(path)

    @asynccontextmanager
    async def running(self, **flags: str) -> AsyncIterator[Running]:
        """Run the program with these flags (`start_spread="10m"`) while the block runs."""
        http, metrics = (f"127.0.0.1:{free_port()}" for _ in range(2))
        every = {
            "node_name": NODE,
            "containerd_socket": str(self.node.socket),
            "start_spread": "0s",
            "namespace": NAMESPACE,
            "kubeconfig": self.kubeconfig(self.server),
            "http_addr": http,
            "metrics_addr": metrics,
        }
        kind, _ = cli.PROGRAMS[self.program]
        known = {each.name for each in flags_of(kind).values()}
        given = {"--" + name.replace("_", "-"): value for name, value in {**every, **flags}.items()}
        arguments = [f"{flag}={value}" for flag, value in given.items() if flag in known]
        stop = asyncio.Event()
        work = asyncio.ensure_future(cli.prepare(self.program, arguments)(stop))
        async with aiohttp.ClientSession() as session:
            program = Running(f"http://{given['--http-addr']}", f"http://{given['--metrics-addr']}", session)
            try:
                if "--http-addr" in known:
                    await until(lambda: _or_fail(work, _is_ready(program)))
                yield program
            finally:
                stop.set()
                await work

    async def lease(self, name: str = NODE, namespace: str = NAMESPACE, server: FakeApiServer | None = None) -> Any:
        """Return a Lease of the API server, as soon as it has it."""

        async def get() -> Any:
            try:
                return (server or self.server).get("leases", namespace, name)
            except KeyError:
                return None

        return await until(get)

    def report(
        self, node: str, report: NodeReport, namespace: str = NAMESPACE, server: FakeApiServer | None = None
    ) -> None:
        """Write the Lease of a node as its agent would."""
        lease = lease_object(node, encode(report), renew_time=micro_time(time.time()), namespace=namespace)
        (server or self.server).put("leases", lease)

    def pending_pod(self, name: str, namespace: str = "shop") -> None:
        """Schedule a pod that waits for `IMAGE`."""
        waiting = {"name": "main", "image": IMAGE, "state": {"waiting": {"reason": "ContainerCreating"}}}
        spec = {"containers": [{"name": "main", "image": IMAGE}]}
        status = {"containerStatuses": [waiting]}
        self.server.put("pods", pod_object(spec, status, name=name, namespace=namespace, uid=f"uid-{name}"))

    def events(self) -> list[dict[str, Any]]:
        """Return the Kubernetes Events that programs have created."""
        return [one.body for one in self.server.seen if one.method == "POST" and one.path.endswith("/events")]


@asynccontextmanager
async def scene(
    program: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[Scene]:
    """Run an API server and a containerd with nothing on them."""
    async with api_server.running() as server, containerd.running() as node:
        for name in (NODE, "node-7"):
            server.put("nodes", {"metadata": {"name": name}})
        yield Scene(program, server, node, folder, monkeypatch, capsys)


async def _is_ready(program: Running) -> bool:
    try:
        statuses = [
            (await program.text(url))[0] for url in (program.http_url + "/readyz", program.metrics_url + "/metrics")
        ]
    except aiohttp.ClientError:
        return False
    return statuses == [200, 200]


async def _or_fail(work: asyncio.Future[None], condition: Awaitable[bool]) -> bool:
    if work.done():
        await work
    return await condition


async def _matching(rows: Awaitable[Iterable[dict[str, Any]]], fits: Callable[[dict[str, Any]], bool]) -> list[Any]:
    return [row for row in await rows if fits(row)]
