"""The cost of hostile objects for the aggregator (peak memory, time until it is ready), and of reading a list.

    .venv/bin/python -m benchmarks.hostile_objects [--pods 30] [--events 150] [--invented 50000]
    .venv/bin/python -m benchmarks.hostile_objects --lists

A real API server and etcd hold Pods of 1 MB, Events of 1.4 MB and Events on invented UIDs; the aggregator is a
separate process. It lists them at its start, and again after a 410 of its watches. The goal is below 256 MiB. Needs root,
like the tests marked `real`.

`--lists` needs neither: 5,000 Leases and 5,000 Pods, parsed whole and read one by one, in one run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from statistics import median
from typing import Any

import orjson

from pulltrace.kube.decoding.object_reader import LargeObjectLock, ListReader
from pulltrace.kube.decoding.partial_json import MAX_OBJECT_BYTES, Shape
from pulltrace.kube.resources.leases import LEASE_SHAPE, lease_record
from pulltrace.kube.resources.pending_pods import POD_SHAPE, pod_record
from pulltrace.pulls.lease_format.annotations import encode
from pulltrace.pulls.model import NodeReport
from tests.builders.pulls import pull
from tests.cluster.control_plane import ControlPlane
from tests.cluster.processes import wait_until
from tests.faults import hostile_objects
from tests.faults.link import http
from tests.faults.stage import Stage
from tests.real.programs import Server

OBJECTS = 5_000
TIMES = 5
CHUNK_BYTES = 64 * 1024
QUIET_TICKS = 20
"""Most ticks of 10 ms that an idle aggregator uses in two seconds."""


def hostile(pods: int, events: int, invented: int) -> None:
    with ControlPlane() as control_plane, tempfile.TemporaryDirectory() as folder:
        stage = Stage(control_plane)
        stage.build()
        control_plane.create_service_account(hostile_objects.NAMESPACE, "default")
        stage.report("node-1", NodeReport(pulls=(pull(1),)))
        hostile_objects.create(stage.admin, hostile_objects.PODS, hostile_objects.pods(pods))
        hostile_objects.create(stage.admin, hostile_objects.EVENTS, hostile_objects.large_events(events))
        hostile_objects.create(stage.admin, hostile_objects.EVENTS, hostile_objects.invented_events(invented))
        gone = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Expired", "code": 410}
        print("| | ready after s | quiet after s | MiB at the peak |\n| --- | --- | --- | --- |")
        with stage.link() as link:
            server = stage.aggregator(Path(folder), link)
            began = time.monotonic()
            server.process.start()
            try:
                server.process.wait_until(lambda: _ready(server), "readiness", seconds=300)
                ready = time.monotonic() - began
                wait_until(lambda: _quiet(server), "the lists to be read", seconds=600)
                _row("start", f"{ready:.1f}", began, server)
                began = time.monotonic()
                link.answer(r"\?.*watch=true", http("410 Gone", json.dumps(gone).encode()), times=3)
                link.cut()
                wait_until(lambda: link.requests(r"/pods\?.*limit=", began), "another list", seconds=120)
                wait_until(lambda: _quiet(server), "the lists to be read", seconds=600)
                _row("relist", "", began, server)
            finally:
                server.process.stop()


def _row(what: str, ready: str, began: float, server: Server) -> None:
    peak = hostile_objects.peak_mib(server.process.pid)
    print(f"| {what} | {ready} | {time.monotonic() - began:.1f} | {peak:.0f} |")


def _ready(server: Server) -> bool:
    return server.get(server.port, "/readyz") == "ok\n"


def _quiet(server: Server) -> bool:
    """Return whether it used hardly any CPU for two seconds."""
    before = _ticks(server)
    time.sleep(2)
    return _ticks(server) - before < QUIET_TICKS


def _ticks(server: Server) -> int:
    fields = Path(f"/proc/{server.process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def lists() -> None:
    """Measure both ways in turn, so that other load affects both."""
    print("| list | MiB | parsed whole ms | read one by one ms |\n| --- | --- | --- | --- |")
    for name, one, parse, shape in (
        ("Leases", _lease, lease_record, LEASE_SHAPE),
        ("Pods", _pod, pod_record, POD_SHAPE),
    ):
        page = orjson.dumps({"metadata": {"resourceVersion": "1"}, "items": [one(number) for number in range(OBJECTS)]})
        whole, parts = [], []
        for _ in range(TIMES):
            whole.append(_milliseconds(lambda: [parse(raw) for raw in orjson.loads(page)["items"]]))  # noqa: B023
            parts.append(_milliseconds(lambda: asyncio.run(_read(page, shape, parse))))  # noqa: B023
        print(f"| {OBJECTS} {name} | {len(page) / 2**20:.1f} | {median(whole):.0f} | {median(parts):.0f} |")


def _milliseconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return 1000 * (time.process_time() - began)


async def _read(page: bytes, shape: Shape, parse: Callable[[Any], object]) -> list[object]:
    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, len(page), CHUNK_BYTES):
            yield page[at : at + CHUNK_BYTES]

    async with LargeObjectLock().reservation() as reservation:
        return [parse(raw) async for raw in ListReader(chunks(), reservation, shape, MAX_OBJECT_BYTES).items()]


def _lease(number: int) -> dict[str, Any]:
    annotations = encode(NodeReport(pulls=(pull(number),)))
    return {"metadata": {"name": f"node-{number}", "annotations": annotations}, "spec": {"holderIdentity": "agent"}}


def _pod(number: int) -> dict[str, Any]:
    """Return a Pod like those of a Deployment: most of its fields are not read."""
    fields: dict[str, Any] = {f"f:field-{n}": {"f:x": {}, "f:y": {}} for n in range(60)}
    env = [{"name": f"VARIABLE_{n}", "value": "x" * 40} for n in range(40)]
    metadata = {"name": f"web-{number}", "namespace": "shop", "uid": f"u-{number}", "managedFields": [fields]}
    containers = [{"name": f"c{n}", "image": f"nginx:{n}", "env": env} for n in range(2)]
    return {"metadata": metadata, "spec": {"nodeName": f"node-{number}", "containers": containers}, "status": {}}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--pods", type=int, default=30)
    arguments.add_argument("--events", type=int, default=150)
    arguments.add_argument("--invented", type=int, default=50_000)
    arguments.add_argument("--lists", action="store_true")
    given = arguments.parse_args()
    if given.lists:
        lists()
    else:
        hostile(given.pods, given.events, given.invented)


if __name__ == "__main__":
    main()
