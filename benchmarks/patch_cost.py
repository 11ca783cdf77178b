"""The cost of a patch of a busy node's Lease for the API server, with and without `managedFields`.

    .venv/bin/python -m benchmarks.patch_cost

It measures CPU time, which other work on the machine hardly affects, of a real etcd and kube-apiserver. Each patch
changes the five running pulls of ten layers of one of fifty Leases.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from statistics import median
from typing import Any

from benchmarks.cluster_load import access_of
from benchmarks.node_cost import cpu_seconds
from pulltrace.kube.client.api import MERGE_PATCH
from pulltrace.kube.client.credentials import StaticConfig
from pulltrace.kube.client.h11_client import H11Client
from pulltrace.kube.resources.leases import NO_MANAGED_FIELDS, leases_path, micro_time
from tests.cluster.control_plane import ControlPlane

NAMESPACE = "pulltrace"
LEASES = 50
SECONDS = 8.0
WRITERS = 8
REST_SECONDS = 0.05
"""Pause between two patches of a writer: the API server is busy but not saturated."""
ROUNDS = 3


def annotations() -> dict[str, str]:
    """Return about 3 KiB, as much as five running pulls."""
    return {f"pull.pulltrace.io/{number:012x}": _pull() for number in range(5)}


def _pull() -> str:
    layers = [[f"{random.getrandbits(48):012x}", random.randrange(10**8), 10**8] for _ in range(10)]
    return json.dumps({"v": 1, "phase": "downloading", "done": random.randrange(10**9), "layers": layers})


async def milliseconds_each(control_plane: ControlPlane, more: dict[str, Any]) -> tuple[float, int]:
    """Return the CPU time of API server and etcd for one patch, and the bytes of a Lease after it."""
    path, access = leases_path(NAMESPACE), StaticConfig(access_of(control_plane.admin))
    connections = [H11Client(access) for _ in range(WRITERS)]
    names = [f"node-{number}" for number in range(LEASES)]
    for name in names:
        metadata = {"name": name, "annotations": annotations()}
        lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata}
        await connections[0].request("POST", path, body=lease)
        await connections[0].request("PATCH", f"{path}/{name}", body={"metadata": more}, content_type=MERGE_PATCH)
    processes = (control_plane.apiserver.pid, control_plane.etcd.pid)
    used, count, end = -sum(map(cpu_seconds, processes)), 0, time.monotonic() + SECONDS

    async def write(connection: H11Client) -> None:
        nonlocal count
        while time.monotonic() < end:
            body = {
                "metadata": {"annotations": annotations(), **more},
                "spec": {"renewTime": micro_time(time.time())},
            }
            await connection.request("PATCH", f"{path}/{random.choice(names)}", body=body, content_type=MERGE_PATCH)
            count += 1
            await asyncio.sleep(REST_SECONDS)

    await asyncio.gather(*map(write, connections))
    used += sum(map(cpu_seconds, processes))
    _, lease = await connections[0].request("GET", f"{path}/{names[0]}")
    for name in names:
        await connections[0].request("DELETE", f"{path}/{name}")
    return 1000 * used / count, len(json.dumps(lease, separators=(",", ":")))


def main() -> None:
    kinds: dict[str, dict[str, Any]] = {"with": {}, "without": {"managedFields": NO_MANAGED_FIELDS}}
    found: dict[str, list[float]] = {name: [] for name in kinds}
    sizes: dict[str, int] = {}
    with ControlPlane() as control_plane:
        control_plane.create_service_account(NAMESPACE, "default")
        for number in range(ROUNDS):
            print(f"round {number + 1} of {ROUNDS}", flush=True)
            for name, more in kinds.items():
                milliseconds, sizes[name] = asyncio.run(milliseconds_each(control_plane, more))
                found[name].append(milliseconds)
    for name, each in found.items():
        print(
            f"{name:7} managedFields: {median(each):.2f} ms of API server and etcd a patch (median of {ROUNDS}), {sizes[name]:,} bytes a Lease"
        )
    print(f"saved: {100 * (1 - median(found['without']) / median(found['with'])):.0f} % of the work")


if __name__ == "__main__":
    main()
