"""Pulltrace's programs as a user starts them, and their output for a user."""

from __future__ import annotations

import contextlib
import json
import shlex
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.cluster.api import Identity
from tests.cluster.processes import Process, free_port, wait_until

Row = dict[str, Any]

RUNNING = ("resolving", "downloading", "unpacking")


@dataclass
class Stream:
    """The event stream, read by a thread: every event with the time at which it arrived."""

    url: str
    events: list[tuple[float, Row]] = field(default_factory=list)

    def read(self) -> None:
        with contextlib.suppress(OSError), urllib.request.urlopen(self.url, timeout=60) as answer:
            for line in answer:
                if line.startswith(b"data:"):
                    self.events.append((time.time(), json.loads(line[5:])))

    def of(self, pull_id: str) -> list[tuple[float, Row]]:
        """Return the events of one pull, in order."""
        return [(at, event) for at, event in self.events if event.get("pull", {}).get("id") == pull_id]


class Server:
    """`pulltrace standalone` or `pulltrace aggregator`."""

    def __init__(self, program: str, folder: Path, *flags: str | Path, env: Mapping[str, str] | None = None) -> None:
        self.port, self.metrics_port = free_port(), free_port()
        command = [sys.executable, "-m", "pulltrace.cli", program, *flags]
        addresses = ["--http-addr", f"127.0.0.1:{self.port}", "--metrics-addr", f"127.0.0.1:{self.metrics_port}"]
        self.process = Process([*command, *addresses], folder / f"{program}.log", env=env)

    def start(self) -> None:
        """Start it and wait until it is ready."""
        self.process.start()
        self.process.wait_until(lambda: self.get(self.port, "/readyz") == "ok\n", "readiness")

    def pulls(self) -> list[Row]:
        """`GET /api/v1/pulls`."""
        rows: list[Row] = json.loads(self.get(self.port, "/api/v1/pulls"))["pulls"]
        return rows

    def wait_for(self, condition: Callable[[list[Row]], bool], what: str, seconds: float = 30) -> list[Row]:
        """Return the rows as soon as they fulfil the condition."""

        def rows() -> list[Row] | None:
            found = self.pulls()
            return found if condition(found) else None

        try:
            return self.process.wait_until(rows, what, seconds=seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\nrows: {json.dumps(self.pulls(), indent=1)[:4000]}") from None

    def ended(self, count: int, seconds: float = 60) -> list[Row]:
        """Return the rows once `count` pulls have ended and none runs."""
        return self.wait_for(
            lambda rows: len(rows) == count and not any(row["phase"] in RUNNING for row in rows),
            f"{count} pulls to have ended",
            seconds,
        )

    @contextlib.contextmanager
    def stream(self, query: str = "") -> Iterator[Stream]:
        """Read the event stream while the block runs."""
        stream = Stream(f"http://127.0.0.1:{self.port}/api/v1/events{query}")
        threading.Thread(target=stream.read, daemon=True).start()
        wait_until(lambda: bool(stream.events), "the first event", processes=[self.process])
        yield stream

    def metrics(self) -> dict[str, float]:
        """Return the samples of /metrics by name and labels."""
        lines = self.get(self.metrics_port, "/metrics").splitlines()
        samples = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in samples}

    @staticmethod
    def get(port: int, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            text: str = answer.read().decode()
        return text

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stop()


def agent(folder: Path, enter: Sequence[str], *flags: str | Path) -> Process:
    """`pulltrace agent`; `enter` starts the command that puts it beside its credentials."""
    command = [sys.executable, "-m", "pulltrace.cli", "agent", *flags]
    return Process(command, folder / "agent.log", enter=enter)


def in_pod(folder: Path, identity: Identity, namespace: str) -> tuple[str, ...]:
    """Return the start of a command that sees its token and the API's address where a container sees them."""
    account = folder / "serviceaccount"
    account.mkdir(exist_ok=True)
    (account / "token").write_text(identity.token or "")
    (account / "ca.crt").write_bytes(identity.authority.read_bytes())
    (account / "namespace").write_text(namespace)
    host, _, port = identity.url.removeprefix("https://").partition(":")
    place = "/run/secrets/kubernetes.io"
    steps = f"mount -t tmpfs none /run && mkdir -p {place} && cp -r {shlex.quote(str(account))} {place}/"
    address = f"KUBERNETES_SERVICE_HOST={host} KUBERNETES_SERVICE_PORT={port}"
    return ("unshare", "--mount", "sh", "-c", f'{steps} && exec env {address} "$@"', "sh")


def resident_mib(pid: int) -> float:
    """Resident memory, as the kernel counts it."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError(f"process {pid} has ended")
