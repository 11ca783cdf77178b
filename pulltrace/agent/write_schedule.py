"""When the agent writes the node's Lease (pure: time and chance are arguments).

A change of phase is written at once, other changes at the report interval, and an unchanged Lease when it must be
renewed. All nodes together have to stay within the write budget. So a node counts the writes beyond its interval, its
surplus. Changes of phase may raise the surplus a little, the less the longer the interval is. Later progress waits until
it is paid back. A pulling node renews more rarely than two idle ones, and gets credit for that.

A node that starts to pull writes at once. Thousands may start in the same second, and the leader needs a moment to count
them. So the node waits for a second and reads the interval. If that is long, the node continues at a random moment
between now and twice the interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from pulltrace.pulls.model import NodeReport, Phase
from pulltrace.pulls.report_interval import IDLE_RENEW_SECONDS, SHORTEST_SECONDS

IDLE_DURATION_SECONDS = 300
PULLING_RENEW_SECONDS = 15.0
"""Interval of renewals while a pull does not progress, unless the report interval is longer."""
PULLING_DURATION_SECONDS = 40
DURATION_INTERVALS = 8 / 3
"""A Lease outlives two of the longest intervals: one write may fail."""
COALESCE_SECONDS = 0.2
"""Phases that change within this time are one write."""
FIRST_READ_SECONDS = 1.0
"""From the first write of a node that starts to pull to its read of the interval. The leader decides each second."""
SHORT_INTERVAL_SECONDS = 5.0
"""Up to this interval so few nodes pull that simultaneous writes do no harm."""
MAX_PAYBACK = 2.0
"""Progress waits for at most so many intervals, whatever the surplus."""
RENEWAL_CREDIT = 0.5
"""Share of the renewals saved by a pulling node that it may use. The rest covers chance."""
JITTER = 0.2
"""Intervals vary by this share, so that nodes that started together do not write together."""
FIRST_JITTER = 0.2
"""Smallest factor of an idle node's interval after its first write. Thousands of nodes that started within half a
minute would otherwise all renew within half a minute."""


@dataclass(frozen=True, slots=True)
class LastWrite:
    """The last write of the Lease, and the account of writes at that time."""

    annotations: Mapping[str, str]
    """All that the Lease has."""
    phases: Mapping[str, Phase]
    """The phase of each running pull in it, by id."""
    at: float
    """On the monotonic clock."""
    jitter: float = 1.0
    """A factor of the pauses until the next write."""
    max_interval: float = 0.0
    """The longest report interval that the Lease's duration allows."""
    surplus: float = 1.0
    """Writes beyond the interval, this one included."""
    starts: bool = False
    """Whether the node has just started to pull and has not read the interval since."""


def allowed_surplus(interval: float) -> float:
    """Return the surplus up to which a change of phase is written at once."""
    return 3 if interval <= SHORT_INTERVAL_SECONDS else 2 if interval <= PULLING_RENEW_SECONDS else 1


def starts_pulling(last: LastWrite | None, report: NodeReport) -> bool:
    """Return whether a write of `report` is the first of a pulling node."""
    return bool(report.pulls) and not (last is not None and last.phases)


def usable_interval(last: LastWrite | None, interval: float) -> float:
    """Return the interval until the next write, which announces a longer one: readers must not see a stale Lease."""
    return interval if last is None else min(interval, max(last.max_interval, PULLING_RENEW_SECONDS))


def seconds_until_write(
    last: LastWrite | None, report: NodeReport, interval: float, now: float, *, changed: bool
) -> float:
    """Return the seconds until `report` is written; `changed`: whether its annotations differ from the last write's."""
    if last is None:
        return 0.0
    if last.starts:
        pause = FIRST_READ_SECONDS
    elif last.phases != phases(report):
        debt = min(max(last.surplus - allowed_surplus(interval), 0.0), 1.0)
        pause = max(COALESCE_SECONDS, last.jitter * debt * interval)
    elif changed:
        pause = last.jitter * _progress_pause(last.surplus, interval)
    else:
        renewal = max(PULLING_RENEW_SECONDS, interval) if report.pulls else IDLE_RENEW_SECONDS
        pause = last.jitter * renewal
    return max(0.0, last.at + pause - now)


def _progress_pause(surplus: float, interval: float) -> float:
    if interval <= SHORTEST_SECONDS:  # few nodes pull: the budget has no need
        return interval
    paying_back = interval * min(max(surplus, 1.0), MAX_PAYBACK)
    return max(interval, min(paying_back, PULLING_RENEW_SECONDS))


def after_write(
    last: LastWrite | None,
    annotations: Mapping[str, str],
    report: NodeReport,
    interval: float,
    now: float,
    chance: Callable[[], float],
    *,
    starts: bool,
) -> LastWrite:
    """Return the account after a write; `chance` draws from 0 to 1."""
    smallest = 1 - JITTER if last is not None or report.pulls else FIRST_JITTER
    rate = 1 / interval + RENEWAL_CREDIT / IDLE_RENEW_SECONDS
    return LastWrite(
        annotations,
        phases(report),
        now,
        jitter=smallest + chance() * (1 + JITTER - smallest),
        max_interval=IDLE_RENEW_SECONDS if starts else interval,
        surplus=1.0 + (max(0.0, last.surplus - (now - last.at) * rate) if last is not None else 0.0),
        starts=starts,
    )


def after_interval_read(last: LastWrite, interval: float, chance: Callable[[], float]) -> LastWrite:
    """Return the account of a node that has started to pull and now knows the interval."""
    if interval <= SHORT_INTERVAL_SECONDS:
        return replace(last, starts=False)
    # Nodes that started together draw their next write and their surplus. Equal accounts would let all of them write
    # whenever the account allows it.
    return replace(last, starts=False, jitter=2 * chance(), surplus=1.0 + allowed_surplus(interval) + chance())


def lease_duration_seconds(report: NodeReport, interval: float, *, starts: bool = False) -> int:
    """Return the duration of a Lease with `report`. Its readers take an older one for stale."""
    if starts or not report.pulls:  # a node that starts to pull does not know its interval yet
        return IDLE_DURATION_SECONDS
    return max(PULLING_DURATION_SECONDS, math.ceil(interval * DURATION_INTERVALS))


def annotations_patch(written: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str | None]:
    """Return the keys that turn `written` into `wanted`; None removes one."""
    patch: dict[str, str | None] = {key: None for key in written if key not in wanted}
    patch.update((key, value) for key, value in wanted.items() if written.get(key) != value)
    return patch


def phases(report: NodeReport) -> dict[str, Phase]:
    """Return the phase of each running pull, by id."""
    return {pull.id: pull.phase for pull in report.pulls}
