"""Rows for the tests of the server, and what they are as JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pulltrace.pulls.failures import Failure
from pulltrace.pulls.model import Layer, LayerState, Phase, Pull
from pulltrace.pulls.time_left import TimeLeft
from pulltrace.pulls.view import (
    ImageNeed,
    NeedState,
    PodState,
    PodView,
    PullChange,
    PullView,
    WaitingContainer,
    Workload,
)

NOW = datetime(2026, 11, 23, 15, 4, 5, 678_000, UTC).timestamp()
STARTED = datetime(2026, 11, 23, 15, 4, 0, tzinfo=UTC).timestamp()

MONOTONIC = 1000.0
"""The server's other clock at `NOW`."""

WEB = Workload("shop", "Deployment", "web")
NEED = ImageNeed("nginx", "main", "nginx:1.29", NeedState.PULLING, "0123456789ab", left=TimeLeft(20, 12.5, 31))

POD = WaitingContainer("shop", "web-1", "nginx", "nginx:1.29")


def view(
    pull_id: str = "0123456789ab",
    phase: Phase = Phase.DOWNLOADING,
    *,
    node: str = "node-1",
    image: str | None = "docker.io/library/nginx:1.29",
    candidates: tuple[str, ...] = (),
    waiting: tuple[WaitingContainer, ...] = (),
    stale: bool = False,
    failure: Failure | None = None,
    reached_containerd: bool = True,
    **pull: Any,
) -> PullView:
    pull.setdefault("started_at", STARTED)
    pull.setdefault("progressed_at", STARTED)
    if phase.ended:
        pull.setdefault("ended_at", NOW)
    return PullView(
        node, Pull(id=pull_id, phase=phase, **pull), image, candidates, waiting, stale, failure, reached_containerd
    )


def pod(name: str = "web-1", state: PodState = PodState.WAITING, **given: Any) -> PodView:
    """A pod of `shop/Deployment/web` on node-1 that waits for one image, estimated a second before `NOW`."""
    waits = state in {PodState.WAITING, PodState.FAILING}
    given.setdefault("node", "node-1")
    given.setdefault("workload", WEB)
    given.setdefault("estimated_at", MONOTONIC - 1)
    given.setdefault("waiting_since", STARTED)
    given.setdefault("needs", (NEED,) if waits else ())
    given.setdefault("left", TimeLeft(20, 12.5, 31) if waits else None)
    given.setdefault("ended_at", None if waits else MONOTONIC - 1)
    return PodView("shop", name, f"uid-of-{name}", state=state, **given)


def layer(digit: str, state: LayerState, downloaded_bytes: int = 0, size_bytes: int = 100) -> Layer:
    return Layer(f"sha256:{digit * 64}", size_bytes, downloaded_bytes, state)


def changes(*views: PullView | None, first: int = 1) -> list[PullChange]:
    """What became of one row: each view the next `after`; None first for a new row, last for one that is gone."""
    return [PullChange(first + index, views[index], views[index + 1]) for index in range(len(views) - 1)]


async def until(condition: Callable[[], object], deadline_seconds: float = 10.0) -> None:
    """Return as soon as the condition holds."""
    async with asyncio.timeout(deadline_seconds):
        while not condition():
            await asyncio.sleep(0.005)


def open_epolls() -> int:
    """How many this process has: one for each loop, and those of ours."""
    files = Path("/proc/self/fd").iterdir()
    return sum(file.is_symlink() and "eventpoll" in str(file.readlink()) for file in files)
