"""Pulls that were over before a look could see them (pure): which of them nobody has told yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pulltrace.containerd.observation import ImageRecord, PullObservation
from pulltrace.pulls.model import Phase, Pull

TOLD_TO_SECONDS = 0.1
"""How exactly the Lease tells when a pull ended."""


def untold(
    missed: Mapping[str, PullObservation], recent: Sequence[Pull], gone: Sequence[Pull], images: Sequence[ImageRecord]
) -> dict[str, PullObservation]:
    """Those of `missed` (by the ID of their row) that neither a `recent` row tells, nor one that ran and is `gone` now.

    A new agent looks back to the last report of the one before, so what it finds may be in that report.
    """
    digests = {pull.target_digest for pull in gone}
    ids = {pull.id for pull in recent}
    return {
        key: seen
        for key, seen in missed.items()
        if key not in ids and digests.isdisjoint(_digests(seen)) and not _is_in(recent, seen, images)
    }


def _is_in(recent: Sequence[Pull], seen: PullObservation, images: Sequence[ImageRecord]) -> bool:
    """Whether an ended pull is this one: it has a name of the image, and ended after this one's first blob was here."""
    names = {image.name for image in images if image.digest in _digests(seen)}
    return any(
        pull.phase is Phase.COMPLETED
        and (pull.ended_at or 0.0) >= seen.started_at - TOLD_TO_SECONDS
        and not names.isdisjoint(pull.names)
        for pull in recent
    )


def _digests(seen: PullObservation) -> set[str]:
    return {digest for digest in (seen.index_digest, seen.manifest_digest) if digest is not None}
