"""The server of `benchmarks.stream`: a whole aggregator in a process of its own, whose nodes report at a given rate.

Its Leases are kept in memory; from there on everything is what runs in a cluster. Prints its port as a line of JSON, and
reads the reports a second from standard input, a number on a line. SIGTERM ends it as it ends an aggregator.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from dataclasses import replace

from pulltrace.aggregator.run import run
from pulltrace.kube.resources.in_memory import MemoryLeaseStore
from pulltrace.kube.resources.leases import LeasePatch
from pulltrace.pulls.lease_format.annotations import encode
from pulltrace.pulls.model import Layer, LayerState, NodeReport, Phase, Pull
from pulltrace.pulls.time_left import TimeLeft
from pulltrace.settings.flags import AggregatorSettings

LAYERS = 10
MIB = 1024 * 1024
TOTAL_BYTES = 2000 * MIB
TICK_SECONDS = 0.02


def running_pull(number: int) -> Pull:
    """Return a pull of ten layers on node `number`."""
    size = TOTAL_BYTES // LAYERS
    states = [LayerState.DONE] * 3 + [LayerState.DOWNLOADING] * 3 + [LayerState.QUEUED] * 4
    layers = tuple(
        Layer(f"sha256:{number:04x}{index:08x}", size, 0 if state is LayerState.QUEUED else size // 2, state)
        for index, state in enumerate(states)
    )
    now = time.time()
    return Pull(
        id=f"{number:012x}",
        phase=Phase.DOWNLOADING,
        started_at=now,
        progressed_at=now,
        repositories=(f"registry.example/team-{number % 40}/service-{number}",),
        target_digest=f"sha256:{number:064x}",
        total_bytes=TOTAL_BYTES,
        bytes_per_second=34e6,
        time_left=TimeLeft.exactly(40.0),
        layer_count=LAYERS,
        layers_done=3,
        layers=layers,
    )


class Nodes:
    """Nodes that report one after another."""

    def __init__(self, count: int) -> None:
        self.leases = MemoryLeaseStore()
        self._pulls = [running_pull(number) for number in range(count)]
        self._next = 0
        self.reports_per_second = 0.0

    async def begin(self) -> None:
        for _ in self._pulls:
            await self.report()

    async def report(self) -> None:
        number = self._next % len(self._pulls)
        self._next += 1
        before = self._pulls[number]
        done = (before.downloaded_bytes + 3 * MIB) % TOTAL_BYTES
        now = time.time()
        pull = replace(before, downloaded_bytes=done, unpacked_bytes=done // 2, progressed_at=now)
        self._pulls[number] = pull
        annotations = encode(NodeReport(pulls=(pull,)))
        await self.leases.patch(f"node-{number:04}", LeasePatch({**annotations}, "agent", now, 3600))

    async def go_on(self) -> None:
        last, owed = time.monotonic(), 0.0
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = time.monotonic()
            owed, last = min(owed + self.reports_per_second * (now - last), 1000.0), now
            while owed >= 1:
                owed -= 1
                await self.report()

    def take_rate(self) -> None:
        if not (line := sys.stdin.readline()):
            sys.exit()  # the parent has ended
        self.reports_per_second = float(line)


async def main(nodes_count: int, metrics_port: int) -> None:
    nodes = Nodes(nodes_count)
    await nodes.begin()
    settings = AggregatorSettings(
        http_addr=":0", metrics_addr=f":{metrics_port}", max_streams=100_000, max_streams_per_address=100_000
    )
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin, nodes.take_rate)
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    async with asyncio.TaskGroup() as tasks:
        reporting = tasks.create_task(nodes.go_on())
        await run(settings, nodes.leases, None, stop, listening=lambda port: print(json.dumps(port), flush=True))
        reporting.cancel()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
