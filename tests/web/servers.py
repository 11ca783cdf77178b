"""Real servers for the page's tests: one with made-up rows, and an ingress before it."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.cluster.processes import Process, free_port
from tests.real.programs import Server

CHUNK_BYTES = 65536


class RowsServer(Process):
    """The real HTTP server with made-up rows (`python -m tests.web.rows`)."""

    def __init__(self, folder: Path, kind: str, port: int | None = None) -> None:
        self.port = port or free_port()
        super().__init__(
            [sys.executable, "-m", "tests.web.rows", kind, str(self.port)], folder / f"rows-{self.port}.log"
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def __enter__(self) -> Self:
        self.start()
        self.wait_until(lambda: Server.get(self.port, "/readyz") == "ok\n", "readiness")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class Gate:
    """An ingress: it removes a prefix, and connects to the first server that accepts."""

    def __init__(self, ports: list[int], prefix: str = "") -> None:
        self.ports = ports
        self._prefix = prefix.encode()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open = True
        self._clients: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}{self._prefix.decode()}/"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open = False
        self._listener.close()

    def cut(self) -> None:
        """Break all connections of clients; new ones are served."""
        for client in self._clients:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        self._clients.clear()

    def _accept(self) -> None:
        while self._open:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._clients.append(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        for port in self.ports:
            with contextlib.suppress(OSError):
                server = socket.create_connection(("127.0.0.1", port), timeout=2)
                server.settimeout(None)
                threading.Thread(target=self._relay, args=(client, server, self._prefix), daemon=True).start()
                self._relay(server, client, b"")
                return
        client.close()

    @staticmethod
    def _relay(source: socket.socket, sink: socket.socket, prefix: bytes) -> None:
        """Copy until either side ends; then close both."""
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK_BYTES):
                # NOTE: a browser's requests are small, and each starts in a read of its own.
                sink.sendall(data.replace(b" " + prefix + b"/", b" /", 1) if prefix else data)
        for side in (source, sink):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
            side.close()
