"""When the node's Lease is due to be written (pure; time and chance are arguments).

A change of phase is due at once, anything else at the report interval, and a Lease without news when it must be
renewed. So that all nodes together stay within the write budget, a node keeps an account of the writes that it is
ahead of its interval: changes of phase may run it up a little, the less the longer the interval is, and are paid
back by later progress. What a pulling node need not renew as an idle one, one write each 120 s, is paid into it.

A node that begins to pull is told at once. It may be one of thousands that begin in the same second, and the leader
needs a moment to see how many there are: so the node then waits for a second, looks at the interval, and where that
is a long one, goes on at a moment between now and twice the interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from pulltrace.pulls.model import NodeReport, Phase
from pulltrace.pulls.report_interval import IDLE_RENEW_SECONDS, SHORTEST_SECONDS

IDLE_DURATION_SECONDS = 300
PULLING_RENEW_SECONDS = 15.0
"""How often a pull that does not move is confirmed, unless even progress is reported less often."""
PULLING_DURATION_SECONDS = 40
DURATION_INTERVALS = 8 / 3
"""A Lease outlives two of the longest intervals: one write may fail."""
COALESCE_SECONDS = 0.2
"""Phases that change together are one write."""
FIRST_LOOK_SECONDS = 1.0
"""From the first write of a node that begins to pull to its look at the interval: the leader decides each second."""
SHORT_SECONDS = 5.0
"""Up to this interval so few nodes pull that what they do at the same moment does no harm."""
MOST_PAYBACK = 2.0
"""A report of progress waits for so many intervals at most, however far ahead the node is."""
PAID_IN = 0.5
"""Of the renewals that a pulling node is spared; the rest is room for chance."""
JITTER = 0.2
"""Intervals vary by this part, so that nodes that began together do not write together."""
FIRST_STRETCH = 0.2
"""The least part of an idle node's interval after its first write: thousands of nodes that started within half a
minute would otherwise renew within one too, two minutes later."""


@dataclass(frozen=True, slots=True)
class Written:
    """What the Lease holds, as far as this agent knows."""

    annotations: Mapping[str, str]
    phases: Mapping[str, Phase]
    """Of the running pulls in it."""
    at: float
    """On the monotonic clock."""
    stretch: float = 1.0
    """What the pauses until the next write are multiplied by."""
    interval: float = 0.0
    """The longest report interval that the Lease's duration has room for."""
    ahead: float = 1.0
    """Writes up to then, that one included, beyond those that the time before called for."""
    begins: bool = False
    """Whether the node has just begun to pull, and has not looked at the interval since."""


def allowed_ahead(interval: float) -> float:
    """How many writes a change of phase may find the node ahead and still be told at once."""
    return 3 if interval <= SHORT_SECONDS else 2 if interval <= PULLING_RENEW_SECONDS else 1


def begins_to_pull(before: Written | None, report: NodeReport) -> bool:
    """Whether a write of `report` is the first of a node that pulls."""
    return bool(report.pulls) and not (before is not None and before.phases)


def held(written: Written | None, interval: float) -> float:
    """What holds. A longer one begins with the write that says so: readers must not take the node for dead."""
    return interval if written is None else min(interval, max(written.interval, PULLING_RENEW_SECONDS))


def due_in(written: Written | None, report: NodeReport, interval: float, now: float, *, changed: bool) -> float:
    """Seconds until `report` should be written; `changed` says whether anything of it differs from what was."""
    if written is None:
        return 0.0
    if written.begins:
        pause = FIRST_LOOK_SECONDS
    elif written.phases != phases(report):
        debt = min(max(written.ahead - allowed_ahead(interval), 0.0), 1.0)
        pause = max(COALESCE_SECONDS, written.stretch * debt * interval)
    elif changed:
        pause = written.stretch * _progress_pause(written.ahead, interval)
    else:
        renewal = max(PULLING_RENEW_SECONDS, interval) if report.pulls else IDLE_RENEW_SECONDS
        pause = written.stretch * renewal
    return max(0.0, written.at + pause - now)


def _progress_pause(ahead: float, interval: float) -> float:
    if interval <= SHORTEST_SECONDS:  # few nodes pull: there is nothing to save
        return interval
    paying_back = interval * min(max(ahead, 1.0), MOST_PAYBACK)
    return max(interval, min(paying_back, PULLING_RENEW_SECONDS))


def has_written(
    before: Written | None,
    annotations: Mapping[str, str],
    report: NodeReport,
    interval: float,
    now: float,
    chance: Callable[[], float],
    *,
    begins: bool,
) -> Written:
    """What holds after a write; `chance` draws from 0 to 1."""
    least = 1 - JITTER if before is not None or report.pulls else FIRST_STRETCH
    rate = 1 / interval + PAID_IN / IDLE_RENEW_SECONDS
    ahead = 1.0 + (max(0.0, before.ahead - (now - before.at) * rate) if before is not None else 0.0)
    return Written(
        annotations,
        phases(report),
        now,
        stretch=least + chance() * (1 + JITTER - least),
        interval=IDLE_RENEW_SECONDS if begins else interval,
        ahead=ahead,
        begins=begins,
    )


def has_looked(written: Written, interval: float, chance: Callable[[], float]) -> Written:
    """What holds once a node that has begun to pull knows the interval."""
    if interval <= SHORT_SECONDS:
        return replace(written, begins=False)
    # Nodes that began together draw when they go on, and what they are ahead: accounts that were equal would let all of
    # them write whenever the account allows it.
    return replace(written, begins=False, stretch=2 * chance(), ahead=1.0 + allowed_ahead(interval) + chance())


def duration_seconds(report: NodeReport, interval: float, *, begins: bool = False) -> int:
    """How long a Lease with `report` holds: which pace its readers may expect."""
    if begins or not report.pulls:  # who begins does not know its pace yet
        return IDLE_DURATION_SECONDS
    return max(PULLING_DURATION_SECONDS, math.ceil(interval * DURATION_INTERVALS))


def changes(written: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str | None]:
    """The keys to send so that `written` becomes `wanted`; None removes one."""
    patch: dict[str, str | None] = {key: None for key in written if key not in wanted}
    patch.update((key, value) for key, value in wanted.items() if written.get(key) != value)
    return patch


def phases(report: NodeReport) -> dict[str, Phase]:
    return {pull.id: pull.phase for pull in report.pulls}
