"""Numbers and times as people and JSON read them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from pulltrace.pulls.formatting import from_rfc3339, human_bytes, human_seconds, rfc3339, spoken_seconds

SIZES = (Path(__file__).parent / "sizes.tsv").read_text(encoding="utf-8").splitlines()
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


@pytest.mark.parametrize("line", [line for line in SIZES if not line.startswith("#")])
def test_human_bytes(line: str) -> None:
    """Three figures before the point at most, as long as there is a larger unit."""
    count, text = line.split("\t")
    assert human_bytes(int(count)) == text


@pytest.mark.parametrize(("count", "text"), [(-5, "0 B"), (1.9 * 2**30, "1.9 GiB"), (2**60, "1048576.0 TiB")])
def test_human_bytes_of_other_numbers(count: float, text: str) -> None:
    """Rates are fractions, and no number is refused."""
    assert human_bytes(count) == text


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (59.6, "1m00s"), (200, "3m20s"), (3900, "1h05m"), (-1, "0s")])
def test_human_seconds(seconds: float, text: str) -> None:
    """Two units at most."""
    assert human_seconds(seconds) == text


@pytest.mark.parametrize("text", ["", "yesterday", "2026-11-23T15:04:05", "2026-13-01T00:00:00Z"])
def test_what_is_no_time(text: str) -> None:
    """A time without a zone, or none at all, is refused."""
    with pytest.raises(ValueError):
        from_rfc3339(text)


@pytest.mark.parametrize(
    ("seconds", "text"), [(-3, "0 s"), (19.6, "20 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s"), (3900, "1 h 05 min")]
)
def test_spoken_seconds(seconds: float, text: str) -> None:
    """With the unit apart, as within a sentence."""
    assert spoken_seconds(seconds) == text
