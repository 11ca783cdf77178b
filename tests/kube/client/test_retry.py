"""Waits after failures."""

from __future__ import annotations

from pulltrace.kube.client.retry import Backoff


def test_waits_double_up_to_half_a_minute() -> None:
    """The shortest and the longest wait after each failure."""
    shortest, longest = Backoff(lambda low, high: low), Backoff(lambda low, high: high)

    assert [round(shortest.next(), 1) for _ in range(7)] == [0.8, 1.6, 3.2, 6.4, 12.8, 24.0, 24.0]
    assert [round(longest.next(), 1) for _ in range(7)] == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


def test_two_steps_at_once() -> None:
    """A failure that cost two requests waits as long as two that cost one."""
    backoff = Backoff(lambda low, high: low)

    assert [round(backoff.next(requests=2), 1) for _ in range(3)] == [2.4, 9.6, 24.0]


def test_a_success_starts_anew() -> None:
    """After a reset the wait is the first again."""
    backoff = Backoff(lambda low, high: low)
    for _ in range(2000):
        backoff.next()
    backoff.reset()

    assert backoff.next() == 0.8
