"""The objects of a watch that are left out, because they cannot be read or are too long: counted, and logged now and then.

Whoever may create objects may create many of these, so the log has a line a minute for them.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

SILENCE_SECONDS = 60.0
"""Between two lines of the log."""

_log = logging.getLogger(__name__)


class LeftOut:
    """Those of one watch."""

    def __init__(self, resource: str, monotonic: Callable[[], float]) -> None:
        self._resource = resource
        self._monotonic = monotonic
        self._logged_at = -math.inf
        self._unlogged = 0

    def note(self, what: str, why: str) -> None:
        """One more, and why it is left out."""
        now = self._monotonic()
        if now - self._logged_at < SILENCE_SECONDS:
            self._unlogged += 1
            return
        more = f", and {self._unlogged} more since the last such line" if self._unlogged else ""
        _log.warning("left out %s of %s: %.200s%s", what, self._resource, why, more)
        self._logged_at, self._unlogged = now, 0
