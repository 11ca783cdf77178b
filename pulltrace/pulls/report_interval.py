"""The report interval: the leader writes it to the election Lease, and every agent reads it. Pure.

pulltrace.io/report-interval           `1.0s`: minimum time between two reports of progress
pulltrace.io/report-interval-reason    why, for people
pulltrace.io/watched                   changes while a replica other than the leader has subscribers
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

LEASE = "pulltrace-aggregator"
"""Name of the election Lease, in the namespace of the agents' Leases."""
INTERVAL = "pulltrace.io/report-interval"
REASON = "pulltrace.io/report-interval-reason"
CLIENTS_ELSEWHERE = "pulltrace.io/watched"

SHORTEST_SECONDS = 1.0
LONGEST_SECONDS = 300.0
"""Agents ignore a longer interval."""
IDLE_RENEW_SECONDS = 120.0
"""Interval of the writes of an idle node."""

_INTERVAL = re.compile(r"(\d{1,3}\.\d)s")


def interval_text(seconds: float) -> str:
    """Return the interval as text, rounded up to a tenth of a second."""
    return f"{math.ceil(round(seconds * 10, 3)) / 10:.1f}s"


def interval_seconds(annotations: Mapping[str, str]) -> float | None:
    """Return the interval in a Lease's annotations; None without a valid one."""
    match = _INTERVAL.fullmatch(annotations.get(INTERVAL, ""))
    seconds = float(match[1]) if match else 0.0
    return seconds if SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS else None
