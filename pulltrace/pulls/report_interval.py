"""How often agents report: what the leading aggregator writes on the election's Lease, and every agent reads.

pulltrace.io/report-interval           `1.0s`: between two reports of a pull's progress
pulltrace.io/report-interval-reason    why, for people
pulltrace.io/watched                   a follower's word that somebody watches there; changes while it is so
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

LEASE = "pulltrace-aggregator"
"""The Lease of the aggregators' election, in the namespace of the agents' Leases."""
INTERVAL = "pulltrace.io/report-interval"
REASON = "pulltrace.io/report-interval-reason"
WATCHED = "pulltrace.io/watched"

SHORTEST_SECONDS = 1.0
LONGEST_SECONDS = 300.0
"""What an agent believes at most; beyond it, progress would be no news."""
IDLE_RENEW_SECONDS = 120.0
"""How often a node without pulls writes."""

_INTERVAL = re.compile(r"(\d{1,3}\.\d)s")


def interval_text(seconds: float) -> str:
    """Rounded up to a tenth of a second: what is said is never more often than what was meant."""
    return f"{math.ceil(round(seconds * 10, 3)) / 10:.1f}s"


def interval_seconds(annotations: Mapping[str, str]) -> float | None:
    """The interval that a Lease says; None where it says none that can be used."""
    match = _INTERVAL.fullmatch(annotations.get(INTERVAL, ""))
    seconds = float(match[1]) if match else 0.0
    return seconds if SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS else None
