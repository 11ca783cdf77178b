"""What hostile objects cost the aggregator: peak memory and time until it is ready; and what reading a list costs.

    .venv/bin/python -m benchmarks.hostile_objects [--pods 30] [--events 150] [--invented 50000]
    .venv/bin/python -m benchmarks.hostile_objects --lists

A real API server and etcd hold Pods of 1 MB, Events of 1.4 MB and Events on invented UIDs; the aggregator is a
process of its own. It lists them at its start, and again because its watches are answered with 410. The aim is under
256 MiB. As root, like the tests marked `real`.

`--lists` needs none of that: 5,000 Leases and 5,000 Pods, parsed whole and read one by one, in one run.
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

from pulltrace.kube.decoding.json_fields import Shape
from pulltrace.kube.decoding.object_fields import LEASE, POD
from pulltrace.kube.decoding.object_reader import MAX_OBJECT_BYTES, Gate, ListReader
from pulltrace.kube.resources.lease_store import lease_record
from pulltrace.kube.resources.pending_pods import pod_record
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
"""Of 10 ms, in two seconds: what an idle aggregator uses at most."""


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
    """Whether it has used no CPU for two seconds."""
    before = _ticks(server)
    time.sleep(2)
    return _ticks(server) - before < QUIET_TICKS


def _ticks(server: Server) -> int:
    fields = Path(f"/proc/{server.process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def lists() -> None:
    """Both ways in turn, so that what else the machine does falls on both."""
    print("| list | MiB | parsed whole ms | read one by one ms |\n| --- | --- | --- | --- |")
    for name, one, parse, shape in (("Leases", _lease, lease_record, LEASE), ("Pods", _pod, pod_record, POD)):
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

    async with Gate().turn() as turn:
        return [parse(raw) async for raw in ListReader(chunks(), turn, shape, MAX_OBJECT_BYTES).objects()]


def _lease(number: int) -> dict[str, Any]:
    annotations = encode(NodeReport(pulls=(pull(number),)))
    return {"metadata": {"name": f"node-{number}", "annotations": annotations}, "spec": {"holderIdentity": "agent"}}


def _pod(number: int) -> dict[str, Any]:
    """As a Deployment's pods are: most of it is of no interest here."""
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
