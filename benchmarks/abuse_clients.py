"""Some of the clients of `benchmarks.abuse`, in a process of their own: sockets and one epoll, nothing else.

python -m benchmarks.abuse_clients PORT NETWORK reads orders from standard input, one JSON object a line: how many clients of
each kind to keep open, and `{"storm": 500}`, which resets so many streams that reconnect at once. Reports its counts once a second.
"""

from __future__ import annotations

import heapq
import json
import os
import random
import resource
import select
import socket
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from typing import Any

GET = b"GET %s HTTP/1.1\r\nHost: localhost\r\n"
EVENTS = GET % b"/api/v1/events" + b"\r\n"
EVENT = b"\ndata: "
OPENING_AT_ONCE = 50
"""Of one kind: so many have asked and have no answer yet."""
SLOW_BYTES = 4096
"""Bytes that a slow reader reads each second, at most: the server asks for 16 KiB in 10 s."""
CHURN_SECONDS = (0.5, 1.5)
ADDRESSES = 200
OVERSIZED = (
    GET % (b"/api/v1/pulls?image=" + b"x" * 300_000) + b"\r\n",
    GET % (b"/api/v1/pulls?cursor=" + b"x" * 12_000) + b"\r\n",
    GET % b"/" + b"a:\r\n" * 65_000 + b"\r\n",
    GET % (b"/api/v1/events?" + b"&".join(b"node=n%d" % number for number in range(500))) + b"\r\n",
)
"""A query, a cursor, headers, and a filter, each beyond what makes sense."""


class Kind(StrEnum):
    """How a client behaves."""

    READING = "reading"
    SLOW = "slow"
    NEVER = "never"
    """Watches, and reads nothing at all; nor does it notice when it is cut off."""
    CHURNING = "churning"
    """Watches for about a second, again and again."""
    DRIPPING = "dripping"
    """Sends its headers byte by byte."""
    OVERSIZED = "oversized"
    """Sends what is too large, and comes again at once."""


WATCHING = frozenset({Kind.READING, Kind.SLOW, Kind.NEVER, Kind.CHURNING})


TIMED = frozenset({Kind.SLOW, Kind.CHURNING, Kind.DRIPPING})
"""They do something by themselves."""


@dataclass(eq=False)
class Client:
    """One socket."""

    kind: Kind
    socket: socket.socket
    answered: bool = False


@dataclass
class Clients:
    """All clients of this process."""

    port: int
    network: str
    wanted: Counter[Kind] = field(default_factory=Counter)
    by_file: dict[int, Client] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._epoll = select.epoll()
        self._number = count()
        self._buffer = bytearray(256 * 1024)
        self._open_count: Counter[Kind] = Counter()
        self._unanswered: Counter[Kind] = Counter()
        self._timed: list[tuple[float, int, Client]] = []

    def open_missing(self) -> None:
        for kind, wanted in self.wanted.items():
            most = OPENING_AT_ONCE if kind in WATCHING else wanted
            while self._open_count[kind] < wanted and self._unanswered[kind] < most:
                self._open(kind)

    def _open(self, kind: Kind) -> None:
        made = socket.socket()
        made.setblocking(False)
        if kind in {Kind.SLOW, Kind.NEVER}:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        elif kind is Kind.OVERSIZED:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1024 * 1024)
        # Addresses of this machine in turn: one has no more than 28,000 ports.
        made.bind((f"{self.network}.{1 + next(self._number) % ADDRESSES}", 0))
        made.connect_ex(("127.0.0.1", self.port))
        client = self.by_file[made.fileno()] = Client(kind, made)
        if kind in TIMED:
            self._later(client, CHURN_SECONDS if kind is Kind.CHURNING else (0.0, 1.0))
        self._epoll.register(made, select.EPOLLOUT)
        self._open_count[kind] += 1
        self._unanswered[kind] += 1

    def close(self, client: Client, *, reset: bool = False) -> None:
        del self.by_file[client.socket.fileno()]
        if reset:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.socket.close()
        self._open_count[client.kind] -= 1
        self._unanswered[client.kind] -= not client.answered

    def close_surplus(self) -> None:
        for client in list(self.by_file.values()):
            if self._open_count[client.kind] > self.wanted[client.kind]:
                self.close(client)

    def storm(self, count: int) -> None:
        """Reset so many streams, or all."""
        for client in [one for one in self.by_file.values() if one.kind in WATCHING][:count]:
            self.close(client, reset=True)

    def work(self, seconds: float) -> None:
        """Look after those whose sockets are ready, then after those whose time has come."""
        for file, events in self._epoll.poll(seconds):
            client = self.by_file.get(file)
            if client is None:
                continue
            try:
                self._ready(client, events)
            except OSError:
                self._lost(client)

    def _ready(self, client: Client, events: int) -> None:
        if events & select.EPOLLOUT:
            self._begin(client)
            return
        if events & (select.EPOLLHUP | select.EPOLLERR) and not events & select.EPOLLIN:
            self._lost(client)
            return
        size = client.socket.recv_into(self._buffer)
        if not size:
            self._lost(client)
            return
        if not client.answered:
            self._answered(client)
        if client.kind is Kind.READING:
            # NOTE: an event whose beginning is cut in two by the end of the buffer is missed; they are few.
            self.counts["events"] += self._buffer.count(EVENT, 0, size)
            self.counts["bytes"] += size

    def _begin(self, client: Client) -> None:
        """Send the request of a new connection."""
        if client.kind is Kind.DRIPPING:
            client.socket.send(GET % b"/")
        elif client.kind is Kind.OVERSIZED:
            client.socket.send(random.choice(OVERSIZED))
        else:
            client.socket.send(EVENTS)
        self._epoll.modify(client.socket, select.EPOLLIN)

    def _answered(self, client: Client) -> None:
        client.answered = True
        self._unanswered[client.kind] -= 1
        status = bytes(self._buffer[9:12]).decode("latin-1")
        self.counts[f"{client.kind} {status}"] += 1
        if client.kind in {Kind.SLOW, Kind.NEVER}:
            self._epoll.modify(client.socket, 0)

    def _lost(self, client: Client) -> None:
        self.counts[f"{client.kind} cut"] += 1
        self.close(client)

    def _later(self, client: Client, seconds: tuple[float, float]) -> None:
        heapq.heappush(self._timed, (time.monotonic() + random.uniform(*seconds), next(self._number), client))

    def in_time(self) -> None:
        """Act for the clients whose time has come."""
        now = time.monotonic()
        while self._timed and self._timed[0][0] <= now:
            _, _, client = heapq.heappop(self._timed)
            if client.socket.fileno() < 0:
                continue
            if client.kind is Kind.CHURNING and client.answered:
                self.close(client)
                continue
            self._later(client, (1.0, 1.0))
            try:
                self._little(client)
            except BlockingIOError:
                pass
            except OSError:
                self._lost(client)

    def _little(self, client: Client) -> None:
        if client.kind is Kind.DRIPPING:
            client.socket.send(b"x")
        elif client.kind is Kind.SLOW and client.answered and not client.socket.recv_into(self._buffer, SLOW_BYTES):
            self._lost(client)

    def report(self) -> dict[str, Any]:
        ready = {f"{kind} open": self._open_count[kind] - self._unanswered[kind] for kind in Kind}
        return {**self.counts, **ready, "cpu": sum(os.times()[:2])}


def main(port: int, network: str) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    clients = Clients(port, network)
    os.set_blocking(sys.stdin.fileno(), False)
    next_report = time.monotonic()
    while True:
        order = sys.stdin.readline()
        if order:
            given = json.loads(order)
            clients.storm(given.pop("storm", 0))
            for kind, wanted in given.items():
                clients.wanted[Kind(kind)] = wanted
            clients.close_surplus()
        clients.open_missing()
        clients.work(0.01)
        clients.in_time()
        now = time.monotonic()
        if now >= next_report:
            next_report = now + 0.5
            print(json.dumps(clients.report()), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
