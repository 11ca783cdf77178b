"""Measure the cost of ten thousand subscribers, the age of rows with few of them, and the cost of reading Leases.

    .venv/bin/python -m benchmarks.stream [--viewers 10000] [--seconds 10]

The aggregator is a process of its own (`stream_server`), the viewers are sockets in others (`stream_clients`); memory and
CPU are the server's alone, from /proc. While they stream, `/metrics` and `/api/v1/nodes` are requested ten times a
second. Nothing else is needed, not even root.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Self

from benchmarks.stream_ingest import ingest_seconds

TICKS = os.sysconf("SC_CLK_TCK")
FEW_NODES = 50
"""For ten thousand viewers: each of them gets a snapshot of all pulls first."""
MANY_NODES = 500
PROBES_PER_SECOND = 10
FEW_VIEWERS = 10
PROGRESSED = re.compile(rb'"progressedAt":"([^"]+)"')


def free_port() -> int:
    """Return a port that is free at all addresses, as the server listens at all of them."""
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        port: int = server.getsockname()[1]
    return port


class Server:
    """The aggregator's process."""

    def __init__(self, nodes: int) -> None:
        self.metrics_port = free_port()
        arguments = [sys.executable, "-m", "benchmarks.stream_server", str(nodes), str(self.metrics_port)]
        self._process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(json.loads(self._process.stdout.readline()))
        self.pid = self._process.pid

    def set_reports_per_second(self, rate: float) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{rate}\n")
        self._process.stdin.flush()

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory_mib(self) -> float:
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def terminate(self) -> None:
        self._process.terminate()

    def has_ended(self) -> bool:
        """Return whether it has ended without an error."""
        assert self._process.poll() in {None, 0}, f"the server ended with {self._process.returncode}"
        return self._process.returncode is not None

    def end(self) -> None:
        self._process.terminate()
        self._process.wait(10)


class Viewers:
    """The processes of the viewers, and their last reports."""

    def __init__(self, port: int, count: int, processes: int = 2) -> None:
        self._reports: dict[int, dict[str, float]] = {}
        self._processes = []
        for number in range(processes):
            share = count // processes + (number < count % processes)
            arguments = [sys.executable, "-m", "benchmarks.stream_clients", str(port), str(share)]
            process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
            threading.Thread(target=self._listen, args=(number, process), daemon=True).start()
            self._processes.append(process)

    def _listen(self, number: int, process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            self._reports[number] = json.loads(line)

    def total(self, name: str) -> float:
        return sum(report[name] for report in self._reports.values())

    def end(self) -> None:
        for process in self._processes:
            process.terminate()
            process.wait(10)


@dataclass
class Probing:
    """Small requests beside the streams, and how long their answers took."""

    urls: Sequence[str]
    seconds: list[float] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._ended.wait(1 / PROBES_PER_SECOND):
            for url in self.urls:
                started = time.monotonic()
                with urllib.request.urlopen(url, timeout=30) as answer:
                    answer.read()
                self.seconds.append(time.monotonic() - started)


class Latency:
    """One subscriber that measures the age of the rows that it receives."""

    def __init__(self, port: int) -> None:
        self.seconds: list[float] = []
        self.listening = False
        self._connection = http.client.HTTPConnection("127.0.0.1", port)
        self._connection.request("GET", "/api/v1/events")
        self._thread = threading.Thread(target=self._read, args=(self._connection.getresponse(),), daemon=True)
        self._thread.start()

    def _read(self, response: http.client.HTTPResponse) -> None:
        rest = b""
        while received := response.read1(1024 * 1024):
            now = time.time()
            *events, rest = (rest + received).split(b"\n\n")
            for event in events:
                moment = PROGRESSED.search(event)
                if self.listening and moment is not None and b'"type":"pull.' in event:
                    self.seconds.append(now - datetime.fromisoformat(moment[1].decode()).timestamp())

    def end(self) -> None:
        """Call it after the end of the server, or at the end of the process."""
        self._thread.join(10)
        self._connection.close()


def at(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


def milliseconds(values: Sequence[float]) -> str:
    return f"{1000 * at(values, 0.5):6.0f} {1000 * at(values, 0.99):6.0f}"


def measure(server: Server, viewers: Viewers, latency: Latency, rate: float, seconds: float) -> None:
    server.set_reports_per_second(rate)
    time.sleep(3)
    latency.seconds.clear()
    latency.listening = True
    urls = [f"http://127.0.0.1:{server.metrics_port}/metrics", f"http://127.0.0.1:{server.port}/api/v1/nodes"]
    with Probing(urls) as probing:
        began, cpu, events = time.monotonic(), server.cpu_seconds(), viewers.total("events")
        received = viewers.total("bytes")
        time.sleep(seconds)
        took = time.monotonic() - began
        cpu = server.cpu_seconds() - cpu
        events = viewers.total("events") - events
        received = viewers.total("bytes") - received
    latency.listening = False
    print(
        f"{viewers.total('open'):8.0f} {rate:9.1f} {events / took:12,.0f} {received / took / 1e6:7.1f} {100 * cpu / took:6.0f} %"
        f" {events / cpu if cpu else 0:16,.0f} {server.memory_mib():8.0f}   {milliseconds(latency.seconds)}"
        f"   {milliseconds(probing.seconds)}",
        flush=True,
    )


HEAD = " viewers reports/s client-events/s   MB/s    CPU events/s and core RSS MiB  age p50 p99 ms   answer p50 p99 ms"


def stream(count: int, nodes: int, rates: Sequence[float], seconds: float) -> None:
    server = Server(nodes)
    try:
        alone = server.memory_mib()
        viewers = Viewers(server.port, count, processes=min(2, count))
        latency = Latency(server.port)
        deadline = time.monotonic() + 120
        while viewers.total("open") < count:
            assert time.monotonic() < deadline, f"only {viewers.total('open')} viewers after two minutes"
            time.sleep(0.2)
        time.sleep(2)
        print(f"{count} viewers; the server alone takes {alone:.0f} MiB, with them {server.memory_mib():.0f} MiB")
        for rate in rates:
            measure(server, viewers, latency, rate, seconds)
        viewers.end()
    finally:
        server.end()
    latency.end()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--viewers", type=int, default=10_000)
    arguments.add_argument("--seconds", type=float, default=10)
    given = arguments.parse_args()
    print(HEAD)
    stream(FEW_VIEWERS, MANY_NODES, (100, 500), given.seconds)
    stream(given.viewers, FEW_NODES, (0, 3, 10, 30), given.seconds)
    costs = [ingest_seconds() for _ in range(5)]
    print(
        f"reading one Lease: {1e6 * statistics.median(costs):.0f} µs; 1,000 a second: {100 * 1000 * min(costs):.0f} % of a core"
    )


if __name__ == "__main__":
    main()
