"""Child programs that cannot be forgotten, and waits that end.

A `Process` runs in a process group of its own, writes to a log file, and is stopped by SIGTERM, then by
SIGKILL, with its whole group. Unless it stays (`stays=True`, for a cluster that outlives the
command that started it) the kernel kills it when this Python ends, however it ends.

Nothing here sleeps for a fixed time: `wait_until` asks again and again until a deadline, and its error
carries the end of the logs of the programs that it waited for.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from tests.cluster import binaries

T = TypeVar("T")

POLL_SECONDS = 0.05
TAIL_LINES = 30

# NOTE: the kernel's "parent death signal" comes when the *thread* that started the child ends. All
# children are started by this one thread, which lives as long as the interpreter.
_STARTER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="starter-of-processes")


_CHILDREN: list[subprocess.Popen[bytes]] = []


class WaitFailed(AssertionError):
    """A condition did not become true in time, or its process ended."""


class Process:
    """A child program with a log file, in a process group of its own.

    `enter` is the start of a command that runs the rest somewhere else (`Machine.enter`).
    """

    def __init__(
        self,
        argv: Sequence[str | Path],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        enter: Sequence[str] = (),
        stays: bool = False,
    ) -> None:
        self.argv = [str(word) for word in argv]
        self.name = Path(self.argv[0]).name
        self.log = log
        self._env = {**os.environ, **(env or {})}
        self._enter = list(enter)
        self._stays = stays
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The ID of its process group, and of its process if it was not started through `enter`."""
        if self._child is None:
            raise RuntimeError(f"{self.name} has not been started")
        return self._child.pid

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._child is not None and self._child.poll() is None

    def start(self) -> None:
        """Start it; the log of an earlier run is continued."""
        if self.running:
            raise RuntimeError(f"{self.name} is already running")
        argv = [*self._enter, *self.argv]
        if not self._stays:
            argv = [str(binaries.debian("setpriv")), "--pdeathsig", "KILL", "--", *argv]
        self.log.parent.mkdir(parents=True, exist_ok=True)

        def spawn() -> subprocess.Popen[bytes]:
            with self.log.open("ab") as log:
                return subprocess.Popen(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=self._env,
                    start_new_session=True,
                )

        self._child = _STARTER.submit(spawn).result()
        _CHILDREN.append(self._child)

    def stop(self, seconds: float = 10) -> None:
        """End it with SIGTERM, after `seconds` with SIGKILL, and its whole group with it."""
        self.signal(signal.SIGTERM)
        self._end(seconds)

    def kill(self) -> None:
        """End it and its group with SIGKILL, as a crash would."""
        self._end(0)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal (SIGSTOP and SIGCONT too) to the group, if it is running."""
        if self.running:
            _signal_group(self.pid, number)

    def tail(self) -> str:
        """Return the end of its log."""
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-TAIL_LINES:])

    def wait_until(self, condition: Callable[[], T | None], what: str, *, seconds: float = 30) -> T:
        """Wait for a condition of this process; fail at once when it ends."""
        return wait_until(condition, what, seconds=seconds, processes=[self])

    def _end(self, seconds: float) -> None:
        if self._child is None:
            return
        deadline = time.monotonic() + seconds
        # NOTE: not only the child: the command that enters a machine ends before the program it started there.
        while _group_lives(self.pid) and time.monotonic() < deadline:
            self._child.poll()
            time.sleep(POLL_SECONDS)
        _signal_group(self.pid, signal.SIGKILL)
        self._child.wait(10)
        self._child = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def reap() -> None:
    """Take note of the children that have ended without being stopped, e.g. with their machine."""
    _CHILDREN[:] = [child for child in _CHILDREN if child.poll() is None]


def wait_until(
    condition: Callable[[], T | None],
    what: str,
    *,
    seconds: float = 30,
    processes: Sequence[Process] = (),
) -> T:
    """Ask until the answer is true and return it; OSError counts as "not yet"."""
    deadline = time.monotonic() + seconds
    while True:
        reason: str | OSError = "it never came true"
        try:
            if answer := condition():
                return answer
        except OSError as error:
            reason = error
        ended = [process for process in processes if not process.running]
        if ended or time.monotonic() > deadline:
            why = f"{ended[0].name} ended" if ended else f"after {seconds:g} s: {reason}"
            logs = "".join(f"\n--- {process.log}:\n{process.tail()}" for process in processes)
            raise WaitFailed(f"waited for {what}: {why}{logs}")
        time.sleep(POLL_SECONDS)


def run(
    argv: Sequence[str | Path],
    *,
    enter: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    seconds: float = 60,
) -> str:
    """Run a program to its end and return its output; the error carries the output too."""
    words = [*enter, *map(str, argv)]
    result = subprocess.run(
        words,
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
        env={**os.environ, **(env or {})},
        timeout=seconds,
    )
    if result.returncode:
        raise RuntimeError(f"{' '.join(words)} ended with {result.returncode}:\n{result.stderr}{result.stdout}")
    return result.stdout


def free_port(address: str = "127.0.0.1") -> int:
    """Return a TCP port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
        return port


def accepts(address: str, port: int) -> bool:
    """Return whether something listens there."""
    with socket.create_connection((address, port), timeout=1):
        return True


def _group_lives(group: int) -> bool:
    """Return whether a process of the group still runs; one that has ended but was not waited for does not."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, _, its_group = (entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[:3]
            except OSError:
                continue
            if int(its_group) == group and state != "Z":
                return True
    return False


def _signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        pass
