"""Rows for pulls that only the pods tell of. Pure.

The kubelet never asks containerd for an image with an invalid name, or with the policy of never pulling; and a pull
that fails at once (no such host, no such tag) may have begun and ended between two looks of the agent. Such a failure
is a row, too: one for each node and image, as long as a pod waits for it and no row of containerd's own explains it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from pulltrace.aggregator.pods.pending_images import PendingImage, shared_failure
from pulltrace.pulls.model import Phase, Pull
from pulltrace.pulls.view import AnyChange, Change, PullView

GRACE_SECONDS = 1.5
"""What the agent's report may take longer than the kubelet's: a failure that both tell of must be one row. With a
look each second at what is due, the row is there within 2.5 s."""
CLOCK_SECONDS = 2.0


def pod_only_failures(
    node: str, waiting: Sequence[PendingImage], rows: Mapping[str, PullView], before: Mapping[str, PullView], now: float
) -> tuple[dict[str, PullView], float]:
    """The rows to add to `rows`, by id, and when to look again (monotonic seconds; inf: not before something changes)."""
    by_name: dict[str, list[PendingImage]] = {}
    for wait in waiting:
        if wait.trouble is not None:
            by_name.setdefault(wait.name, []).append(wait)
    found: dict[str, PullView] = {}
    due_at = math.inf
    for name, waits in by_name.items():
        key = _id(node, name)
        if any(_explains(row, name, waits) for row in rows.values()):
            continue
        tried = any(wait.pulled for wait in waits)
        if tried and key not in before:
            shown_at = min(wait.trouble.since for wait in waits if wait.trouble) + GRACE_SECONDS
            if any(_may_be(row, name) for row in rows.values()):
                continue  # its end will say
            if shown_at > now:
                due_at = min(due_at, shown_at)
                continue
        found[key] = _row(node, key, name, waits, before.get(key))
    return found, due_at


def superseded(changes: Iterable[AnyChange]) -> frozenset[tuple[str, str | None]]:
    """Node and image of the failures whose own rows have come in these changes: they have been counted already."""
    return frozenset(
        (change.before.node, change.before.image)
        for change in changes
        if isinstance(change, Change)
        and change.before is not None
        and change.after is None
        and not change.before.reached_containerd
    )


def _explains(row: PullView, name: str, waits: Sequence[PendingImage]) -> bool:
    """Whether this is the row of the failure: the image's, failed since a pod that waits for it was taken on."""
    if row.pull.phase is not Phase.FAILED or not (row.image == name or name in row.candidates):
        return False
    begun = [wait.since for wait in waits if wait.since is not None]
    return not begun or (row.pull.ended_at or 0.0) >= min(begun) - CLOCK_SECONDS


def _may_be(row: PullView, name: str) -> bool:
    return not row.pull.phase.ended and (row.image == name or name in row.candidates)


def _row(node: str, key: str, name: str, waits: Sequence[PendingImage], before: PullView | None) -> PullView:
    failure = shared_failure(waits)
    assert failure is not None
    if before is not None:
        pull = replace(before.pull, error=failure.message)
    else:
        times = [at for wait in waits for at in (wait.since, wait.requested_at) if at is not None]
        at = min(times, default=0.0)  # 1970 where nobody has said when: a failure without a time is still one
        pull = Pull(
            id=key, phase=Phase.FAILED, started_at=at, progressed_at=at, ended_at=at, error=failure.message
        )  # fmt: skip
    containers = tuple(sorted(wait.container for wait in waits))
    return PullView(node, pull, name, waiting=containers, failure=failure, reached_containerd=False)


def _id(node: str, name: str) -> str:
    return hashlib.sha256(f"unreached {node} {name}".encode()).hexdigest()[:12]
