"""The objects of a watch that are left out, because they cannot be read or are too long: counted, and logged now and then.

Whoever may create objects may create many of these, so the log has a line a minute for them.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

from pulltrace.kube.frames import start_of
from pulltrace.kube.object_reader import NotRead, TooLong

SILENCE_SECONDS = 60.0
"""Between two lines of the log."""

_log = logging.getLogger(__name__)


class LeftOut:
    """Those of one watch."""

    def __init__(self, resource: str, max_bytes: int, monotonic: Callable[[], float]) -> None:
        self.count = 0
        self._resource = resource
        self._max_bytes = max_bytes
        self._monotonic = monotonic
        self._logged_at = -math.inf
        self._unlogged = 0

    def piece(self, piece: TooLong | NotRead) -> tuple[str, str]:
        """One more; its key, and whether it was deleted, where they can be told."""
        if isinstance(piece, NotRead):
            self.note("one", f"it is not JSON ({piece.why})")
            return "", ""
        key, deleted = start_of(piece.head)
        self.note(key or "one", f"it is longer than {self._max_bytes} bytes")
        return key, deleted

    def note(self, what: str, why: str) -> None:
        """One more, and why it is left out."""
        self.count += 1
        now = self._monotonic()
        if now - self._logged_at < SILENCE_SECONDS:
            self._unlogged += 1
            return
        more = f", and {self._unlogged} more since the last such line" if self._unlogged else ""
        _log.warning("left out %s of %s: %.200s%s", what, self._resource, why, more)
        self._logged_at, self._unlogged = now, 0
