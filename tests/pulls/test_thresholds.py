"""When a pull is stalled, and when it is slow."""

from __future__ import annotations

import pytest

from pulltrace.pulls.model import Phase, Pull
from pulltrace.pulls.thresholds import SLOW_SHARE, STALLED_SECONDS, is_slow, stalled_seconds

MIB = 2**20


def pull(phase: Phase = Phase.DOWNLOADING, rate: float = 0.0) -> Pull:
    return Pull(id="0123456789ab", phase=phase, started_at=0.0, progressed_at=0.0, bytes_per_second=rate)


def test_a_download_without_bytes_is_stalled() -> None:
    """From ten seconds on, and for as long as no byte arrives."""
    assert stalled_seconds(pull(), STALLED_SECONDS, stale=False) == STALLED_SECONDS
    assert stalled_seconds(pull(), 300.0, stale=False) == 300.0


@pytest.mark.parametrize(
    ("other", "since_byte", "stale"),
    [
        (pull(), STALLED_SECONDS - 0.1, False),
        (pull(rate=1.0), 300.0, False),
        (pull(Phase.UNPACKING), 300.0, False),
        (pull(Phase.RESOLVING), 300.0, False),
        (pull(), 300.0, True),
    ],
    ids=["short pause", "has a rate", "unpacks", "resolves", "stale report"],
)
def test_other_pulls_are_not_stalled(other: Pull, since_byte: float, stale: bool) -> None:  # noqa: FBT001
    """A pause, a rate, another phase or a stale report is no stall."""
    assert stalled_seconds(other, since_byte, stale=stale) is None


@pytest.mark.parametrize(
    ("phase", "node_rate", "registry_rate", "slow"),
    [
        (Phase.DOWNLOADING, SLOW_SHARE * 50 * MIB - 1, 50 * MIB, True),
        (Phase.DOWNLOADING, SLOW_SHARE * 50 * MIB, 50 * MIB, False),
        (Phase.DOWNLOADING, 0.0, None, False),
        (Phase.UNPACKING, 0.0, 50 * MIB, False),
    ],
)
def test_a_slow_pull(phase: Phase, node_rate: float, registry_rate: float | None, slow: bool) -> None:  # noqa: FBT001
    """A pull is slow while its node gets less than a fifth of the registry's median rate."""
    assert is_slow(pull(phase), node_rate, registry_rate) is slow
