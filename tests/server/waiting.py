"""Waiting for the tests of the server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], object], deadline_seconds: float = 10.0) -> None:
    """Return as soon as the condition holds."""
    async with asyncio.timeout(deadline_seconds):
        while not condition():
            await asyncio.sleep(0.005)
