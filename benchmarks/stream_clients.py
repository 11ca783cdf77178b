"""Some of the viewers of `benchmarks.stream`, in a process of their own: sockets that read and count, and nothing else.

Says once a second, as a line of JSON, how many are connected and what they have got so far.
"""

from __future__ import annotations

import json
import resource
import selectors
import socket
import sys
import time

REQUEST = b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n"
EVENT = b"\ndata: "
CONNECTS_AT_ONCE = 100


def main(port: int, count: int) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    selector = selectors.DefaultSelector()
    buffer = bytearray(256 * 1024)
    opened = events = received_bytes = 0
    next_report = time.monotonic() + 1
    while True:
        for _ in range(min(CONNECTS_AT_ONCE, count - opened)):
            # Addresses of this machine in turn: one has no more than 28,000 ports.
            viewer = socket.create_connection((f"127.0.0.{1 + opened // 10_000}", port))
            viewer.sendall(REQUEST)
            viewer.setblocking(False)
            selector.register(viewer, selectors.EVENT_READ)
            opened += 1
        for key, _ in selector.select(0.2):
            viewer = key.fileobj  # type: ignore[assignment]
            size = viewer.recv_into(buffer)
            if not size:
                selector.unregister(viewer)
                viewer.close()
                continue
            received_bytes += size
            # NOTE: an event whose beginning is cut in two by the end of the buffer is missed; they are few.
            events += buffer.count(EVENT, 0, size)
        if time.monotonic() >= next_report:
            next_report += 1
            told = {"open": len(selector.get_map()), "events": events, "bytes": received_bytes, "at": time.monotonic()}
            print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
