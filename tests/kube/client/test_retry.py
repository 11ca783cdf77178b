"""Delays after failures."""

from __future__ import annotations

import pytest
import tenacity

from pulltrace.kube.client.retry import FIRST_SECONDS, JITTER, Backoff, describe_retry, retry_delay, retry_wait
from pulltrace.kube.errors import ApiError, ApiUnreachable, KubeError


def test_delays_double_up_to_half_a_minute() -> None:
    """The shortest and the longest delay after each failure."""
    shortest, longest = Backoff(lambda low, high: low), Backoff(lambda low, high: high)

    assert [round(shortest.next(), 1) for _ in range(7)] == [0.8, 1.6, 3.2, 6.4, 12.8, 24.0, 24.0]
    assert [round(longest.next(), 1) for _ in range(7)] == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


def test_two_steps_at_once() -> None:
    """A failure that cost two requests has the delay of two failures."""
    backoff = Backoff(lambda low, high: low)

    assert [round(backoff.next(requests=2), 1) for _ in range(3)] == [2.4, 9.6, 24.0]


def test_a_success_resets_the_delay() -> None:
    """After a reset the delay is the first again."""
    backoff = Backoff(lambda low, high: low)
    for _ in range(2000):
        backoff.next()
    backoff.reset()

    assert backoff.next() == 0.8


def test_a_403_waits_for_a_minute() -> None:
    """Permissions change rarely, and the first failure waits as long as any other."""
    backoff = Backoff(lambda low, high: low)

    assert [backoff.next(ApiError(403, "forbidden")) for _ in range(2)] == [60.0, 60.0]


@pytest.mark.parametrize(("retry_after", "seconds"), [(7.0, 7.0), (0.1, 0.8), (9999.0, 120.0)])
def test_a_retry_after_is_the_shortest_delay(retry_after: float, seconds: float) -> None:
    """Up to two minutes; the jitter comes on top, or all clients would return together."""
    error = ApiError(429, "too many requests", retry_after)

    assert retry_delay(error, 0, uniform=lambda low, high: low) == seconds
    assert retry_delay(error, 0, uniform=lambda low, high: high) == seconds * JITTER


async def test_tenacity_uses_the_same_delays() -> None:
    """A call is retried with the delays of this module, and its log line has the error and the missing permission."""
    errors = [ApiUnreachable("no route"), ApiError(403, "forbidden")]
    slept: list[float] = []
    lines: list[str] = []

    async def call() -> str:
        if errors:
            raise errors.pop(0)
        return "done"

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    retrying = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception_type(KubeError),
        wait=retry_wait,
        before_sleep=lambda attempt: lines.append(describe_retry(attempt, "patch leases")),
        sleep=sleep,
    )
    result: str = await retrying(call)

    assert result == "done"
    assert FIRST_SECONDS <= slept[0] <= FIRST_SECONDS * JITTER
    assert 60 <= slept[1] <= 60 * JITTER
    assert lines[0] == "no route; next attempt in 1 s"
    assert lines[1] == f"missing permission to patch leases: 403 forbidden; next attempt in {slept[1]:.0f} s"
