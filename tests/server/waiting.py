"""Waiting and counting for the tests of the server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path


async def until(condition: Callable[[], object], deadline_seconds: float = 10.0) -> None:
    """Return as soon as the condition holds."""
    async with asyncio.timeout(deadline_seconds):
        while not condition():
            await asyncio.sleep(0.005)


def open_epolls() -> int:
    """How many this process has: one for each loop, and those of ours."""
    files = Path("/proc/self/fd").iterdir()
    return sum(file.is_symlink() and "eventpoll" in str(file.readlink()) for file in files)
