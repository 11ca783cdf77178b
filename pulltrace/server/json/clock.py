"""The wall clock and the monotonic clock: rows carry monotonic times, and JSON carries Unix times."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clocks:
    """Both clocks, in seconds."""

    wall: Callable[[], float] = time.time
    """Unix time."""
    monotonic: Callable[[], float] = time.monotonic

    def wall_offset(self) -> float:
        """Return the seconds that convert a monotonic time to Unix time when they are added."""
        return self.wall() - self.monotonic()
