"""How long to wait after something failed, and where waiting and chance come from.

NOTE: tenacity's wait strategies do not fit here: they draw their jitter from a random of their own, and they
want the state of a retried *call*, whereas a watch fails at several places that share one backoff.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

FIRST_SECONDS = 0.8
LONGEST_SECONDS = 30.0
JITTER = 1.25
"""A wait is stretched by up to this factor, so that replicas that failed together do not come back together."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Time and chance as arguments: tests bring their own and never sleep."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    uniform: Callable[[float, float], float] = random.uniform


class Backoff:
    """0.8 s, and twice as long after each failure, up to 30 s; from the beginning again after a success."""

    def __init__(self, uniform: Callable[[float, float], float] = random.uniform) -> None:
        self._uniform = uniform
        self._failures = 0

    def reset(self) -> None:
        self._failures = 0

    def next(self, steps: int = 1) -> float:
        """The wait after a failure; a failure that cost several requests takes as many steps."""
        seconds = 0.0
        for _ in range(steps):
            seconds += FIRST_SECONDS * 2.0 ** min(self._failures, 10)
            self._failures += 1
        seconds = min(seconds, LONGEST_SECONDS / JITTER)
        return self._uniform(seconds, seconds * JITTER)
