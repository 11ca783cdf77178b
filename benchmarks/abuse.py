"""Measure how one replica serves its clients while some of them do it harm.

    .venv/bin/python -m benchmarks.abuse [--viewers 10000] [--windows 5] [--seconds 8]

The aggregator is a process of its own (`stream_server`) with real sockets, the clients are sockets in two others
(`abuse_clients`). Each step adds a kind of them; in each step documents, probes and metrics are requested, and a
healthy subscriber measures the age of its rows. Each figure is the median of several windows. The limits for each address are off:
all clients have addresses of this machine. Needs no root; two cores, of which the clients take one, which is why the
first step has none of them.
"""

from __future__ import annotations

import argparse
import json
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.abuse_clients import Kind
from benchmarks.stream import Latency, Server, at

NODES = 50
REPORTS_PER_SECOND = 10.0
PATHS = ("/api/v1/pulls", "/api/v1/pods", "/healthz", "/metrics")
ROUNDS_PER_SECOND = 10
TARGET_SECONDS = 0.25
STORM_TARGETS = {1_000: TARGET_SECONDS, 10_000: 1.0}
"""Reconnecting clients, and the p99 of other requests meanwhile."""
DRIPPING = 500
OVERSIZED = 10
STORMS = 3
PROCESSES = 2


class Crowd:
    """The processes of the clients."""

    def __init__(self, port: int) -> None:
        self._reports: dict[int, dict[str, float]] = {}
        self._processes = []
        for number in range(PROCESSES):
            arguments = [sys.executable, "-m", "benchmarks.abuse_clients", str(port), f"127.0.{number + 1}"]
            process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            threading.Thread(target=self._listen, args=(number, process), daemon=True).start()
            self._processes.append(process)

    def _listen(self, number: int, process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            self._reports[number] = json.loads(line)

    def be(self, wanted: Mapping[Kind, int]) -> None:
        for number, process in enumerate(self._processes):
            shares = {kind.value: count // PROCESSES + (number < count % PROCESSES) for kind, count in wanted.items()}
            self._say(process, shares)

    def storm(self, count: int) -> None:
        """Reset so many streams; their clients reconnect at once."""
        for process in self._processes:
            self._say(process, {"storm": count // PROCESSES})

    @staticmethod
    def _say(process: subprocess.Popen[str], order: Mapping[str, object]) -> None:
        assert process.stdin is not None
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()

    def total(self, name: str) -> float:
        return sum(report.get(name, 0) for report in list(self._reports.values()))

    def totals(self) -> dict[str, float]:
        return {name: self.total(name) for report in list(self._reports.values()) for name in report}

    def end(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait(10)


@dataclass
class Window:
    """The measurements of some seconds."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: {path: [] for path in PATHS})
    ages: list[float] = field(default_factory=list)
    not_answered: int = 0
    server_cores: float = 0.0
    clients_cores: float = 0.0


class Asking:
    """Small requests in turn, each over a connection of its own, as probes and scrapes come."""

    def __init__(self, port: int, metrics_port: int) -> None:
        self._ports = {path: metrics_port if path == "/metrics" else port for path in PATHS}

    def for_seconds(self, seconds: float, window: Window) -> None:
        ends_at = time.monotonic() + seconds
        while (began := time.monotonic()) < ends_at:
            for path in PATHS:
                asked = time.monotonic()
                good = self._ask(path)
                window.seconds[path].append(time.monotonic() - asked)
                window.not_answered += not good
            time.sleep(max(0.0, began + 1 / ROUNDS_PER_SECOND - time.monotonic()))

    def _ask(self, path: str) -> bool:
        """Return whether the answer was 200."""
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        try:
            with socket.create_connection(("127.0.0.1", self._ports[path]), timeout=30) as connection:
                connection.sendall(request)
                first = connection.recv(65536)
                while connection.recv(65536):
                    pass
        except OSError:
            return False
        return first.startswith(b"HTTP/1.1 200")


@dataclass
class Abuse:
    """The server, its clients and who measures them."""

    server: Server
    crowd: Crowd
    latency: Latency
    asking: Asking
    seconds: float
    met: bool = True

    def window(self, seconds: float) -> Window:
        window = Window()
        cpu, clients, began = self.server.cpu_seconds(), self.crowd.total("cpu"), time.monotonic()
        self.latency.seconds.clear()
        self.latency.listening = True
        self.asking.for_seconds(seconds, window)
        self.latency.listening = False
        took = time.monotonic() - began
        window.ages = list(self.latency.seconds)
        window.server_cores = (self.server.cpu_seconds() - cpu) / took
        window.clients_cores = (self.crowd.total("cpu") - clients) / took
        return window

    def wait(self, condition: Callable[[], bool], what: str, seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"no {what} after {seconds:g} s: {self.crowd.totals()}"
            time.sleep(0.2)

    def print_row(self, title: str, windows: Sequence[Window], target_seconds: float = TARGET_SECONDS) -> None:
        def median(of: Callable[[Window], float]) -> float:
            return statistics.median(of(window) for window in windows)

        worst = max(median(lambda window, path=path: at(window.seconds[path], 0.99)) for path in PATHS)  # type: ignore[misc]
        self.met &= worst < target_seconds
        answers = " ".join(
            f"{1000 * median(lambda window, path=path: at(window.seconds[path], 0.5)):4.0f}"  # type: ignore[misc]
            f" {1000 * median(lambda window, path=path: at(window.seconds[path], 0.99)):4.0f}  "  # type: ignore[misc]
            for path in PATHS
        )
        print(
            f"{title:44} {answers} {1000 * median(lambda window: at(window.ages, 0.5)):5.0f}"
            f" {1000 * median(lambda window: at(window.ages, 0.99)):5.0f}"
            f" {self.server.memory_mib():6.0f} {self.files():6d}"
            f" {median(lambda window: window.server_cores):5.2f} {median(lambda window: window.clients_cores):7.2f}"
            f" {sum(window.not_answered for window in windows):6d}   {'met' if worst < target_seconds else 'MISSED'}",
            flush=True,
        )

    def files(self) -> int:
        return len(list(Path(f"/proc/{self.server.pid}/fd").iterdir()))


HEAD = f"""{"":44} {"".join(f"{path:>11} " for path in PATHS)} event age   RSS   open  cores        not    p99 <
{"each: p50 p99, ms":44} {"".join(f"{'':>11} " for path in PATHS)}   p50   p99   MiB  files  server clients 200  {1000 * TARGET_SECONDS:.0f} ms"""


def steps(viewers: int) -> list[tuple[str, dict[Kind, int]]]:
    """Return the steps, each with all that the steps before it have."""
    slow, churning = viewers // 20, viewers // 20
    healthy = viewers - 2 * slow - churning
    return [
        (f"{viewers} viewers, all well", {Kind.READING: viewers}),
        (
            f"of them {slow} slow, {slow} that never read",
            {Kind.READING: viewers - 2 * slow, Kind.SLOW: slow, Kind.NEVER: slow},
        ),
        (f"and {churning} that stay for a second", {Kind.READING: healthy, Kind.CHURNING: churning}),
        (f"and {DRIPPING} that drip their headers", {Kind.DRIPPING: DRIPPING}),
        (f"and {OVERSIZED} that send too much, on and on", {Kind.OVERSIZED: OVERSIZED}),
    ]


def run(abuse: Abuse, viewers: int, windows: int) -> None:
    seconds = abuse.seconds
    abuse.print_row("no other client", [abuse.window(seconds) for _ in range(windows)])
    wanted: dict[Kind, int] = {}
    for title, more in steps(viewers):
        wanted |= more
        abuse.crowd.be(wanted)
        healthy = wanted[Kind.READING]
        abuse.wait(lambda healthy=healthy: abuse.crowd.total("reading open") >= healthy, f"{healthy} viewers")  # type: ignore[misc]
        abuse.window(seconds)
        abuse.print_row(title, [abuse.window(seconds) for _ in range(windows)])
    for count, target_seconds in STORM_TARGETS.items():
        storms, back = [], []
        for _ in range(STORMS):
            began = time.monotonic()
            abuse.crowd.storm(min(count, viewers))
            storms.append(abuse.window(seconds))
            abuse.wait(lambda: abuse.crowd.total("reading open") >= wanted[Kind.READING], "viewers that came back")
            back.append(time.monotonic() - began)
            time.sleep(seconds)
        abuse.print_row(f"and {min(count, viewers)} reconnect at once (< {target_seconds:g} s)", storms, target_seconds)
        print(f"all were back after {', '.join(f'{one:.0f}' for one in back)} s at most")
    abuse.crowd.be(dict.fromkeys(Kind, 0))
    abuse.crowd.storm(2 * viewers)
    time.sleep(seconds)
    abuse.print_row("afterwards, no other client", [abuse.window(seconds) for _ in range(windows)])
    counts = {name: int(total) for name, total in sorted(abuse.crowd.totals().items()) if not name.endswith(" open")}
    print(f"counts of the clients: {json.dumps(counts)}")


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--viewers", type=int, default=10_000)
    arguments.add_argument("--windows", type=int, default=5)
    arguments.add_argument("--seconds", type=float, default=8)
    given = arguments.parse_args()
    print(f"load average before it: {Path('/proc/loadavg').read_text().split()[0]}")
    print(HEAD)
    server = Server(NODES)
    server.set_reports_per_second(REPORTS_PER_SECOND)
    crowd = Crowd(server.port)
    try:
        abuse = Abuse(server, crowd, Latency(server.port), Asking(server.port, server.metrics_port), given.seconds)
        run(abuse, given.viewers, given.windows)
    finally:
        crowd.end()
        server.end()
    print("met" if abuse.met else "MISSED: a p99 was over the target")
    return 0 if abuse.met else 1


if __name__ == "__main__":
    sys.exit(main())
