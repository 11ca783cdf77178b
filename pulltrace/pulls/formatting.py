"""Sizes and durations for people, and times for JSON. Pure."""

from __future__ import annotations

import math
from datetime import UTC, datetime

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def human_bytes(count: float) -> str:
    """Return a size as `412 MiB` or `12.3 GiB`: one decimal below ten and from GiB on.

    The page has the same rule; `tests/pulls/sizes.tsv` holds both to it.
    """
    value, unit = float(max(count, 0)), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    decimals = 1 if unit and (value < 9.95 or _UNITS[unit] in {"GiB", "TiB"}) else 0
    return f"{value:.{decimals}f} {_UNITS[unit]}"


def human_seconds(seconds: float) -> str:
    """Return a duration as `40s`, `3m20s` or `1h05m`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}m{rest:02}s"
    return f"{minutes // 60}h{minutes % 60:02}m"


def spoken_seconds(seconds: float) -> str:
    """Return a duration within a sentence: `20 s`, `3 min 20 s` or `1 h 05 min`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


_LAST_SECOND = 253_402_300_799.0
"""9999-12-31T23:59:59Z, the last moment that `datetime` has."""


def rfc3339(seconds: float) -> str:
    """Return Unix seconds as `2026-11-23T15:04:05.678Z`; the first or last possible moment for those out of range."""
    bounded = min(max(seconds, 0.0), _LAST_SECOND) if math.isfinite(seconds) else 0.0
    return datetime.fromtimestamp(bounded, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_rfc3339(text: str) -> float:
    """Return Unix seconds. Raises ValueError for anything but a time with a zone."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"no time zone in {text!r}")
    return moment.timestamp()
