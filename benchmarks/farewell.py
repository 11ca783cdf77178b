"""Measure how long a replica takes to end with many subscribers, and the retry times that it sends.

    .venv/bin/python -m benchmarks.farewell [--viewers 10000] [--times 5]

The aggregator is a process of its own (`stream_server`), under load: 50 nodes report ten times a second, and each viewer is sent all
of it. Then it gets SIGTERM, as in a rolling update. The viewers are sockets in this process, which takes a part of
the same machine. In the second row one in twenty has never read a byte. Needs no root.
"""

from __future__ import annotations

import argparse
import re
import resource
import select
import socket
import statistics
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from benchmarks.stream import Server

NODES = 50
REPORTS_PER_SECOND = 10.0
OPENING_AT_ONCE = 50
ADDRESSES = 200
LOAD_SECONDS = 5.0
EXIT_SECONDS = 10.0
"""The longest time that a rolling update may wait for one replica."""
REQUEST = b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n"
RETRY = re.compile(rb"retry: (\d+)\n\n\r\n0\r\n\r\n$")
TAIL_BYTES = 64


@dataclass
class Viewers:
    """Sockets that read, or do not."""

    port: int
    retries: list[int] = field(default_factory=list)
    """The retry times of the ended streams, in milliseconds."""
    without_retry: int = 0
    """Whose stream ended without that."""
    _tails: dict[int, bytes] = field(default_factory=dict)
    _sockets: dict[int, socket.socket] = field(default_factory=dict)
    _waiting: set[int] = field(default_factory=set)
    """For the first byte."""
    _silent: list[socket.socket] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._epoll = select.epoll()
        self._buffer = bytearray(256 * 1024)
        self._opened = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in (*self._sockets.values(), *self._silent):
            each.close()
        self._epoll.close()

    def open(self, reading: int, silent: int) -> None:
        """Return when all of them watch."""
        for _ in range(silent):
            self._silent.append(self._connect(4096))
        while self._opened < reading or self._waiting:
            while self._opened < reading and len(self._waiting) < OPENING_AT_ONCE:
                made = self._connect()
                self._sockets[made.fileno()], self._tails[made.fileno()] = made, b""
                self._waiting.add(made.fileno())
                self._epoll.register(made, select.EPOLLIN)
                self._opened += 1
            self.read(0.2)

    def _connect(self, receive_bytes: int | None = None) -> socket.socket:
        made = socket.socket()
        if receive_bytes is not None:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        # Addresses of this machine in turn: one has no more than 28,000 ports.
        made.bind((f"127.0.1.{1 + (self._opened + len(self._silent)) % ADDRESSES}", 0))
        made.connect(("127.0.0.1", self.port))
        made.sendall(REQUEST)
        made.setblocking(False)
        return made

    def read(self, seconds: float) -> None:
        """Take what has come, or wait for it so long."""
        for number, _ in self._epoll.poll(seconds):
            try:
                size = self._sockets[number].recv_into(self._buffer)
            except OSError:
                size = 0
            self._waiting.discard(number)
            if size:
                last = bytes(self._buffer[max(0, size - TAIL_BYTES) : size])
                self._tails[number] = (self._tails[number] + last)[-TAIL_BYTES:]
            else:
                self._ended(number)

    def _ended(self, number: int) -> None:
        self._sockets.pop(number).close()
        if found := RETRY.search(self._tails.pop(number)):
            self.retries.append(int(found[1]))
        else:
            self.without_retry += 1

    def __len__(self) -> int:
        return len(self._sockets)


@dataclass(frozen=True, slots=True)
class Farewell:
    """The end of one replica and its streams."""

    ended_seconds: float
    """Until the last stream of those who read had ended."""
    exit_seconds: float
    retries: list[int]
    without_retry: int


def farewell(viewers: int, silent: int) -> Farewell:
    server = Server(NODES)
    try:
        with Viewers(server.port) as watching:
            watching.open(viewers - silent, silent)
            server.set_reports_per_second(REPORTS_PER_SECOND)
            loaded_until = time.monotonic() + LOAD_SECONDS
            while time.monotonic() < loaded_until:
                watching.read(0.1)
            assert len(watching) == viewers - silent, f"{len(watching)} watch before the end"
            began = time.monotonic()
            server.terminate()
            ended = exited = 0.0
            while watching or not exited:
                now = time.monotonic() - began
                assert now < 3 * EXIT_SECONDS, f"{len(watching)} streams are open after {now:.0f} s"
                watching.read(0.005)
                ended = ended if watching else ended or time.monotonic() - began
                if not exited and server.has_ended():
                    exited = time.monotonic() - began
            return Farewell(ended, exited, watching.retries, watching.without_retry)
    finally:
        server.end()


def row(title: str, viewers: int, silent: int, times: int) -> bool:
    """Prints it; whether it ended in time each time."""
    found = [farewell(viewers, silent) for _ in range(times)]
    exits = [one.exit_seconds for one in found]
    retries = [retry for one in found for retry in one.retries]
    tenths = statistics.quantiles(retries, n=10)
    print(
        f"{title:36} {statistics.median(one.ended_seconds for one in found):8.1f}"
        f" {statistics.median(exits):8.1f} {max(exits):6.1f}"
        f" {len(retries) / times:8.0f} {sum(one.without_retry for one in found) / times:7.0f}"
        f"   {min(retries)} {tenths[0]:.0f} {tenths[4]:.0f} {tenths[8]:.0f} {max(retries)}",
        flush=True,
    )
    return max(exits) <= EXIT_SECONDS


HEAD = f"""{"":36} all end     exit    max    retry  no retry   `retry`, ms
{"":36}        s       s      s                     min 10 % 50 % 90 % max"""


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--viewers", type=int, default=10_000)
    arguments.add_argument("--times", type=int, default=5)
    given = arguments.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    print(f"load average before it: {Path('/proc/loadavg').read_text().split()[0]}")
    print(HEAD)
    silent = given.viewers // 20
    met = [
        row(f"{given.viewers} viewers, all well", given.viewers, 0, given.times),
        row(f"of them {silent} that never read", given.viewers, silent, given.times),
    ]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
