"""Pulls that began and ended between two polls: which of them no Lease has reported yet. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pulltrace.containerd.observation import ImageRecord, PullObservation
from pulltrace.pulls.model import Phase, Pull

END_PRECISION_SECONDS = 0.1
"""The Lease rounds the end of a pull to this."""


def unreported(
    unseen: Mapping[str, PullObservation], recent: Sequence[Pull], gone: Sequence[Pull], images: Sequence[ImageRecord]
) -> dict[str, PullObservation]:
    """Return the pulls of `unseen` (by id) that neither a `recent` pull reports nor one that ran and is `gone` now.

    A new agent goes back to the last report of the agent before it. So what it finds may be in that report.
    """
    digests = {pull.target_digest for pull in gone}
    ids = {pull.id for pull in recent}
    return {
        pull_id: observed
        for pull_id, observed in unseen.items()
        if pull_id not in ids and digests.isdisjoint(_digests(observed)) and not _is_in(recent, observed, images)
    }


def _is_in(recent: Sequence[Pull], observed: PullObservation, images: Sequence[ImageRecord]) -> bool:
    """Return whether an ended pull has a name of the image, and ended after this pull's first blob was stored."""
    names = {image.name for image in images if image.digest in _digests(observed)}
    return any(
        pull.phase is Phase.COMPLETED
        and (pull.ended_at or 0.0) >= observed.started_at - END_PRECISION_SECONDS
        and not names.isdisjoint(pull.names)
        for pull in recent
    )


def _digests(observed: PullObservation) -> set[str]:
    return {digest for digest in (observed.index_digest, observed.manifest_digest) if digest is not None}
