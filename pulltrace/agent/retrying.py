"""How long the agent waits before it asks the API server again, and what it says meanwhile."""

from __future__ import annotations

import random

import tenacity

from pulltrace.kube.errors import ApiError

BACKOFF = tenacity.wait_exponential_jitter(initial=1, max=30, jitter=1)
FORBIDDEN_SECONDS = 60.0
"""A permission is given by a person: asking more often would only fill the audit log."""
LONGEST_RETRY_AFTER_SECONDS = 120.0
"""More than this comes from a misconfigured proxy rather than from an API server."""
SPREAD = 1.25
"""Agents that were refused together do not come back together."""
PERMISSION = "get, create and patch leases.coordination.k8s.io"


def retry_wait(attempt: tenacity.RetryCallState) -> float:
    """Seconds until the next try."""
    error = _error(attempt)
    pause = BACKOFF(attempt)
    if isinstance(error, ApiError):
        least = FORBIDDEN_SECONDS if error.status == 403 else 0.0
        least = max(least, min(error.retry_after_seconds or 0.0, LONGEST_RETRY_AFTER_SECONDS))
        return max(pause, random.uniform(least, least * SPREAD))
    return pause


def describe(attempt: tenacity.RetryCallState) -> str:
    """What went wrong, and what happens next, on one line."""
    error = _error(attempt)
    missing = f"missing permission to {PERMISSION}: " if isinstance(error, ApiError) and error.status == 403 else ""
    pause = attempt.next_action.sleep if attempt.next_action else 0.0
    return f"{missing}{error}; next try in {pause:.0f} s"


def _error(attempt: tenacity.RetryCallState) -> BaseException | None:
    return attempt.outcome.exception() if attempt.outcome else None
