"""Time and chance in the hands of a test: nothing sleeps, and jitter is the least it can be."""

from __future__ import annotations

import asyncio

from pulltrace.kube.client.retry import Timing


class FakeTime:
    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []
        self.timing = Timing(monotonic=lambda: self.now, sleep=self.sleep, uniform=lambda low, high: low)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)
