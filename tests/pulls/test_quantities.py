"""Numbers and times as people and JSON read them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pulltrace.pulls.quantities import rfc3339

NOW = datetime(2026, 11, 23, 15, 4, 5, 678_000, UTC).timestamp()


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (NOW, "2026-11-23T15:04:05.678Z"),
        (-5.0, "1970-01-01T00:00:00.000Z"),
        (1e18, "9999-12-31T23:59:59.000Z"),
        (float("nan"), "1970-01-01T00:00:00.000Z"),
    ],
)
def test_rfc3339(seconds: float, expected: str) -> None:
    """Milliseconds in UTC; a time that makes no sense is the nearest that can be written, not an error."""
    assert expected == rfc3339(seconds)
