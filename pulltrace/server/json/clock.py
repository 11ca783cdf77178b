"""Two clocks: rows carry moments of the monotonic one, people and JSON want the other."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clocks:
    """What time it is, in Unix seconds and on the clock that never jumps."""

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic

    def to_wall(self) -> float:
        """What makes Unix seconds of a monotonic moment when it is added."""
        return self.wall() - self.monotonic()
