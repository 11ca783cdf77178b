"""Time under a test's control: a clock that only the test moves, and an event loop that jumps to its next timer."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any

from pulltrace.kube.client.retry import Timing


class FakeTime:
    """A clock that moves when code sleeps or the test moves it; the jitter of `timing` is the least allowed."""

    def __init__(self, start: float = 0.0, *, step_seconds: float = 0.0) -> None:
        self.now = start
        self.step_seconds = step_seconds
        """Added before each reading."""
        self.slept: list[float] = []
        self.timing = Timing(monotonic=self, sleep=self.sleep, uniform=lambda low, high: low)

    def __call__(self) -> float:
        self.now += self.step_seconds
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


class _Jumping(selectors.DefaultSelector):
    """Never waits; counts the time that it would have waited."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("no timer and no ready task is left: the test would wait for ever")
            self.now += max(timeout, 0.0)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """For code that waits only for time: no sockets, no threads."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def now() -> float:
    """Return the time of the running loop."""
    return asyncio.get_running_loop().time()


def run(scenario: Coroutine[Any, Any, None]) -> None:
    """Run a scenario to its end in virtual time, which starts at 0."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(scenario)
