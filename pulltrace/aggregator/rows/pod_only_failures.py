"""Rows of failures that only pods report. Pure.

The kubelet never asks containerd for an image with an invalid name, or with the pull policy `Never`. A pull that fails
at once (no such host, no such tag) may start and end between two polls of the agent. Such a failure gets a row, one for
each node and image, while a pod waits for the image and no row of the agent explains the failure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from pulltrace.aggregator.pods.pending_images import PendingImage, shared_failure
from pulltrace.aggregator.rows.row_ids import row_id
from pulltrace.pulls.model import Phase, Pull
from pulltrace.pulls.view import AnyChange, PullChange, PullView

GRACE_SECONDS = 1.5
"""The agent's report may come so much later than the kubelet's: a failure that both report must be one row. With a
tick each second, the row appears within 2.5 s."""
CLOCK_SECONDS = 2.0


def pod_only_rows(
    node: str, pending: Sequence[PendingImage], rows: Mapping[str, PullView], before: Mapping[str, PullView], now: float
) -> tuple[dict[str, PullView], float]:
    """Return the rows to add to `rows`, by id, and the time of the next check (monotonic; inf: at the next change)."""
    by_name: dict[str, list[PendingImage]] = {}
    for image in pending:
        if image.image_failure is not None:
            by_name.setdefault(image.name, []).append(image)
    found: dict[str, PullView] = {}
    changes_at = math.inf
    for name, images in by_name.items():
        key = row_id(node, name)
        if any(_explains(row, name, images) for row in rows.values()):
            continue
        tried = any(image.is_pullable for image in images)
        if tried and key not in before:
            shown_at = min(image.image_failure.since for image in images if image.image_failure) + GRACE_SECONDS
            if any(_may_be(row, name) for row in rows.values()):
                continue  # the end of that pull decides
            if shown_at > now:
                changes_at = min(changes_at, shown_at)
                continue
        found[key] = _row(node, key, name, images, before.get(key))
    return found, changes_at


def superseded(changes: Iterable[AnyChange]) -> frozenset[tuple[str, str | None]]:
    """Return node and image of the rows that these changes delete in favour of the agent's row of the same failure."""
    return frozenset(
        (change.before.node, change.before.image)
        for change in changes
        if isinstance(change, PullChange)
        and change.before is not None
        and change.after is None
        and not change.before.reached_containerd
    )


def _explains(row: PullView, name: str, images: Sequence[PendingImage]) -> bool:
    """Return whether this row is the failure: of the image, and after the kubelet accepted a pod that waits for it."""
    if row.pull.phase is not Phase.FAILED or not (row.image == name or name in row.candidates):
        return False
    accepted = [image.accepted_at for image in images if image.accepted_at is not None]
    return not accepted or (row.pull.ended_at or 0.0) >= min(accepted) - CLOCK_SECONDS


def _may_be(row: PullView, name: str) -> bool:
    return not row.pull.phase.ended and (row.image == name or name in row.candidates)


def _row(node: str, key: str, name: str, images: Sequence[PendingImage], before: PullView | None) -> PullView:
    failure = shared_failure(images)
    assert failure is not None
    if before is not None:
        pull = replace(before.pull, error=failure.message)
    else:
        times = [at for image in images for at in (image.accepted_at, image.requested_at) if at is not None]
        at = min(times, default=0.0)  # 1970 without any time: a failure without a time is still one
        pull = Pull(
            id=key, phase=Phase.FAILED, started_at=at, progressed_at=at, ended_at=at, error=failure.message
        )  # fmt: skip
    containers = tuple(sorted(image.container for image in images))
    return PullView(node, pull, name, waiting=containers, failure=failure, reached_containerd=False)
