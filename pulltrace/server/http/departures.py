"""Notices when viewers leave, a few of them at a time.

asyncio deals with every socket that has something to say before it asks again: when ten thousand viewers are cut off
together, nobody else is answered for half a second. So what comes from viewers, which is little but their end, has an
epoll of its own, which to asyncio is one file among the others. What is sent to them goes the usual way.
"""

from __future__ import annotations

import asyncio
import os
import select
import sys
from collections.abc import Hashable

AT_ONCE = 64
"""So many are dealt with before others have their turn: about 3 ms."""

READ_BYTES = 64 * 1024


class Departures:
    """The connections that are watched. Those that end are closed; who has them is told as always (`connection_lost`)."""

    def __init__(self) -> None:
        self._epoll: select.epoll | None = None
        """Only while there is something to watch."""
        self._watched: dict[int, tuple[Hashable, asyncio.Transport]] = {}
        """By file."""
        self._files: dict[Hashable, int] = {}

    def watch(self, viewer: Hashable, transport: asyncio.Transport) -> None:
        """What comes from the peer is thrown away from now on, until `forget`, which must come before the file is closed.
        Without a socket, or elsewhere than on Linux (a demo on a laptop), asyncio does it all as before.
        """
        peer = transport.get_extra_info("socket")
        if transport.is_closing() or peer is None or sys.platform != "linux":
            return
        if self._epoll is None:
            self._epoll = select.epoll()
            asyncio.get_running_loop().add_reader(self._epoll.fileno(), self._look)
        transport.pause_reading()
        file = self._files[viewer] = peer.fileno()
        self._watched[file] = viewer, transport
        self._epoll.register(file, select.EPOLLIN)

    def forget(self, viewer: Hashable) -> None:
        """Of one that has ended, or is not watched, there is nothing to forget."""
        file = self._files.pop(viewer, None)
        if file is None or self._epoll is None:
            return
        del self._watched[file]
        self._epoll.unregister(file)
        if not self._watched:
            asyncio.get_running_loop().remove_reader(self._epoll.fileno())
            self._epoll.close()
            self._epoll = None

    def _look(self) -> None:
        assert self._epoll is not None
        for file, _ in self._epoll.poll(0, AT_ONCE):
            viewer, transport = self._watched[file]
            try:
                if os.read(file, READ_BYTES):
                    continue
            except BlockingIOError:
                continue
            except OSError:
                end = transport.abort
            else:
                end = transport.close  # what has been written is still sent
            self.forget(viewer)
            end()
