"""A slow and faulty link to a registry, on order: the handle of `proxy_server`.

The proxy is a process of its own, so a busy test does not slow it down, and a handle made by
`Proxy.attach(url)` gives orders to one that another process started. Orders take about a millisecond, so
async tests may call them too.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.cluster.faults import Fault, Request
from tests.cluster.processes import Process, accepts, free_port

REPOSITORY_ROOT = Path(__file__).parents[2]


class Proxy:
    """A proxy before a registry; `with Proxy(registry.url) as proxy:` starts and ends it."""

    def __init__(
        self,
        upstream: str,
        *,
        address: str = "127.0.0.1",
        port: int | None = None,
        folder: Path | None = None,
        enter: Sequence[str] = (),
        stays: bool = False,
    ) -> None:
        self.address = address
        self.port = port or free_port(address)
        self.url = f"http://{address}:{self.port}"
        self.folder = folder or Path(tempfile.mkdtemp(prefix="pulltrace-proxy-"))
        server = [sys.executable, "-m", "tests.cluster.proxy_server"]
        self._process = Process(
            [*server, "--listen", f"{address}:{self.port}", "--upstream", upstream],
            self.folder / "proxy.log",
            env={"PYTHONPATH": str(REPOSITORY_ROOT)},
            enter=enter,
            stays=stays,
        )

    @classmethod
    def attach(cls, url: str) -> Self:
        """Return a handle of a proxy that runs already."""
        address, _, port = url.removeprefix("http://").rpartition(":")
        return cls("", address=address, port=int(port), folder=Path("/nonexistent"))

    def start(self) -> None:
        """Start it and wait until it listens."""
        self._process.start()
        self._process.wait_until(lambda: accepts(self.address, self.port), "the proxy")

    @property
    def pid(self) -> int:
        """The ID of its process."""
        return self._process.pid

    def stop(self) -> None:
        """End it at once; open connections break."""
        self._process.kill()

    def remove(self) -> None:
        """End it and delete its log."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def set_rate(self, bytes_per_second: float | None) -> None:
        """Limit all transfers together to so many bytes a second, from now on; None is no limit."""
        self._order("PUT", "rate", bytes_per_second)

    def pause(self) -> None:
        """Let no byte through until the next `set_rate`."""
        self.set_rate(0)

    def add(self, fault: Fault) -> int:
        """Put a fault into force and return its number."""
        number: int = self._order("POST", "faults", fault.to_json())
        return number

    def remove_fault(self, number: int) -> None:
        """End a fault; requests that stall or hang in it go on."""
        self._order("DELETE", f"faults/{number}")

    def clear(self) -> None:
        """End all faults and the limit of the rate, and forget the finished requests."""
        self._order("DELETE", "faults")
        self._order("DELETE", "requests")
        self.set_rate(None)

    def requests(self, path: str = "") -> list[Request]:
        """Return the requests so far whose path matches a regular expression."""
        found = [Request(**entry) for entry in self._order("GET", "requests")]
        return [request for request in found if re.search(path, request.path)]

    def _order(self, method: str, what: str, body: object = None) -> Any:
        data = json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/_proxy/{what}", data, method=method)
        request.add_header("Content-Type", "application/json")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as answer:
            return json.load(answer)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()
