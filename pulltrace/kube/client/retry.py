"""The delay before a retry against the API server: one policy for all programs, with time and chance as arguments.

tenacity drives the retries of one call (`retry_wait`, `describe_retry`).

NOTE: tenacity's own strategies do not fit: their jitter has a random source of its own, and they need the state of one
retried call. A watch fails at several places that share one back-off: such loops have a `Backoff`.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import tenacity

from pulltrace.kube.errors import ApiError, explain

FIRST_SECONDS = 0.8
"""Shortest delay; each failure doubles it."""
MAX_SECONDS = 30.0
"""Longest delay, jitter included, unless the server requests a longer one."""
JITTER = 1.25
"""Each delay is stretched by up to this factor, so that clients that failed together do not return together."""
FORBIDDEN_SECONDS = 60.0
"""Shortest delay after a 403. An administrator grants permissions, and more requests would only fill the audit log."""
MAX_RETRY_AFTER_SECONDS = 120.0
"""A longer Retry-After comes from a misconfigured proxy rather than from an API server."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Time and chance as arguments: tests have their own and never sleep."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    uniform: Callable[[float, float], float] = random.uniform


def retry_delay(
    error: BaseException | None,
    failures: int,
    *,
    requests: int = 1,
    uniform: Callable[[float, float], float] = random.uniform,
) -> float:
    """Return the seconds to wait after `error`, which follows `failures` others.

    A failure that cost several `requests` waits as long as so many failures together.
    """
    seconds = sum(FIRST_SECONDS * 2.0 ** min(failures + number, 10) for number in range(requests))
    seconds = min(seconds, MAX_SECONDS / JITTER)
    if isinstance(error, ApiError):
        forbidden = FORBIDDEN_SECONDS if error.status == 403 else 0.0
        seconds = max(seconds, forbidden, min(error.retry_after_seconds or 0.0, MAX_RETRY_AFTER_SECONDS))
    return uniform(seconds, seconds * JITTER)


class Backoff:
    """The delays of a loop: 0.8 s, doubled by each failure up to 30 s, and 0.8 s again after a success."""

    def __init__(self, uniform: Callable[[float, float], float] = random.uniform) -> None:
        self._uniform = uniform
        self._failures = 0

    def reset(self) -> None:
        """Note a success."""
        self._failures = 0

    def next(self, error: BaseException | None = None, *, requests: int = 1) -> float:
        """Note a failure and return its delay; see `retry_delay`."""
        seconds = retry_delay(error, self._failures, requests=requests, uniform=self._uniform)
        self._failures += requests
        return seconds


def retry_wait(attempt: tenacity.RetryCallState) -> float:
    """Return the delay before tenacity's next attempt (its `wait`)."""
    return retry_delay(_error(attempt), attempt.attempt_number - 1)


def describe_retry(attempt: tenacity.RetryCallState, permission: str) -> str:
    """Return one line with the error and the delay, for tenacity's `before_sleep`; `permission` as for `explain`."""
    seconds = attempt.next_action.sleep if attempt.next_action else 0.0
    return f"{explain(_error(attempt), permission)}; next attempt in {seconds:.0f} s"


def _error(attempt: tenacity.RetryCallState) -> BaseException | None:
    return attempt.outcome.exception() if attempt.outcome else None
