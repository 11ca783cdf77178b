"""What objects of somebody who may create Pods and Events cost the aggregator: peak memory, and time until it is ready.

    .venv/bin/python -m benchmarks.hostile_objects [--pods 30] [--events 150] [--invented 50000]

A real API server and etcd hold the objects; the aggregator is a process of its own. Then the API server is started
again, with its past compacted, so that everything is listed once more. The aim is under 256 MiB. As root, like the
tests marked `real`. A third part needs no API server: what a list of 5,000 small objects costs.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from pulltrace.pulls.model import NodeReport
from tests.aggregator.records import pull
from tests.cluster.control_plane import ControlPlane
from tests.cluster.processes import wait_until
from tests.faults import hostile_objects
from tests.faults.stage import Stage
from tests.real.programs import Server

AIM_MIB = 256


def lists(server: Server, resource: str) -> float:
    """How often the watch of a resource began anew."""
    restarts = "pulltrace_watch_restarts_total"
    return sum(
        value for name, value in server.metrics().items() if name.startswith(f"{restarts}{{") and resource in name
    )


def measure(stage: Stage, folder: Path) -> None:
    server = stage.aggregator(folder)
    began = time.monotonic()
    server.process.start()
    server.process.wait_until(lambda: server.get(server.port, "/readyz") == "ok\n", "readiness", seconds=120)
    print(f"ready after {time.monotonic() - began:.1f} s")
    wait_until(lambda: settled(server), "the lists", seconds=180)
    print(
        f"all listed after {time.monotonic() - began:.1f} s: {hostile_objects.peak_mib(server.process.pid):.0f} MiB at the peak"
    )
    server.process.stop()


def settled(server: Server) -> bool:
    """Whether it uses no CPU any more."""

    def ticks() -> int:
        fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    before = ticks()
    time.sleep(2)
    return ticks() - before < 20


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--pods", type=int, default=30)
    arguments.add_argument("--events", type=int, default=150)
    arguments.add_argument("--invented", type=int, default=50_000)
    given = arguments.parse_args()
    with ControlPlane() as control_plane, tempfile.TemporaryDirectory() as folder:
        stage = Stage(control_plane)
        stage.build()
        control_plane.create_service_account(hostile_objects.NAMESPACE, "default")
        stage.report("node-1", NodeReport(pulls=(pull(1),)))
        began = time.monotonic()
        admin = stage.admin
        hostile_objects.create(admin, hostile_objects.PODS, hostile_objects.pods(given.pods))
        print("pods", time.monotonic() - began)
        hostile_objects.create(admin, hostile_objects.EVENTS, hostile_objects.large_events(given.events))
        print("events", time.monotonic() - began)
        hostile_objects.create(admin, hostile_objects.EVENTS, hostile_objects.invented_events(given.invented))
        print("inv", time.monotonic() - began)
        for _ in range(1):
            measure(stage, Path(folder))


if __name__ == "__main__":
    main()
