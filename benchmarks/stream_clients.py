"""Some of the viewers of `benchmarks.stream`, in a process of their own: sockets that read and count, and nothing else.

Reports once a second, as a line of JSON, how many are connected and what they have got so far.
"""

from __future__ import annotations

import json
import resource
import selectors
import socket
import sys
import time
from typing import cast

REQUEST = b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n"
EVENT = b"\ndata: "
WAITING_AT_ONCE = 100
"""So many have asked and have no answer yet: viewers do not all come in one instant."""


def main(port: int, count: int) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    selector = selectors.DefaultSelector()
    buffer = bytearray(256 * 1024)
    opened = events = received_bytes = 0
    waiting: set[socket.socket] = set()
    next_report = time.monotonic() + 1
    while True:
        while opened < count and len(waiting) < WAITING_AT_ONCE:
            # Addresses of this machine in turn: one has no more than 28,000 ports.
            viewer = socket.create_connection((f"127.0.0.{1 + opened // 10_000}", port))
            viewer.sendall(REQUEST)
            viewer.setblocking(False)
            selector.register(viewer, selectors.EVENT_READ)
            waiting.add(viewer)
            opened += 1
        for key, _ in selector.select(0.2):
            viewer = cast("socket.socket", key.fileobj)
            size = viewer.recv_into(buffer)
            if viewer in waiting:
                waiting.remove(viewer)
                assert buffer.startswith(b"HTTP/1.1 200"), buffer[:size]
            if not size:
                sys.exit("the server has ended a stream")
            received_bytes += size
            # NOTE: an event whose beginning is cut in two by the end of the buffer is missed; they are few.
            events += buffer.count(EVENT, 0, size)
        if time.monotonic() >= next_report:
            next_report += 1
            report = {
                "open": len(selector.get_map()),
                "events": events,
                "bytes": received_bytes,
                "at": time.monotonic(),
            }
            print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
