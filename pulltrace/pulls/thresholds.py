"""Limits that the agent, the aggregator, the Events and the page share: when a pull is stalled, slow or long. Pure.

A pull is *stalled* when its download has a rate of zero and no byte has arrived for `STALLED_SECONDS`.
A pull is *slow* when all pulls of its node together get less than `SLOW_SHARE` of the registry's median rate.
A pull is *long* when its estimate leaves more than `LONG_SECONDS`. A large image may be long without being slow.
"""

from __future__ import annotations

from pulltrace.pulls.model import Phase, Pull

STALLED_SECONDS = 10.0
"""A download pauses for shorter times between two layers. The agent sets the rate to zero after as long."""
STALLED_WARNING_SECONDS = 30.0
"""The Event `ImagePullStalled` waits until a pull has been stalled for this long."""
SLOW_SHARE = 0.2
"""A share of the registry's median rate over its recent pulls. Pulls that share a link are added up before."""
SLOW_WARNING_SECONDS = 60.0
"""The Event `ImagePullSlow` waits until a pull has run for this long: a young rate may still rise."""
LONG_SECONDS = 15 * 60.0
EXTRAPOLATED_SECONDS = 20.0
"""A report is extrapolated by its rate for at most this long."""
RECENT_SECONDS = 30 * 60.0
"""The agent reports ended pulls for this long."""


def stalled_seconds(pull: Pull, since_byte: float, *, stale: bool) -> float | None:
    """Return for how long a pull has been stalled; None for a pull that is not.

    `since_byte`: seconds since a byte of it was last reported. `stale`: its node's report is stale.
    """
    # Long report intervals delay the news of a byte. The rate distinguishes such a pull from a stalled one.
    stalled = pull.phase is Phase.DOWNLOADING and pull.bytes_per_second <= 0 and since_byte >= STALLED_SECONDS
    return since_byte if stalled and not stale else None


def is_slow(pull: Pull, node_rate: float, registry_rate: float | None) -> bool:
    """Return whether a pull is slow.

    `node_rate`: bytes a second of all pulls on its node. `registry_rate`: the registry's median; None while unknown.
    """
    return pull.phase is Phase.DOWNLOADING and registry_rate is not None and node_rate < SLOW_SHARE * registry_rate
