"""The objects that a watch leaves out, because they cannot be read or are too long: all counted, few logged.

An author of objects may create many of these, so the log has one line in 10 s for each watch.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from pulltrace.kube.decoding.fields import metadata_in
from pulltrace.kube.decoding.object_reader import NotRead, TooLong
from pulltrace.log_limiter import LogLimiter

_log = logging.getLogger(__name__)


class LeftOut:
    """Counts and logs the objects that one watch leaves out."""

    def __init__(self, resource: str, max_bytes: int, monotonic: Callable[[], float]) -> None:
        self.count = 0
        self._resource = resource
        self._max_bytes = max_bytes
        self._monotonic = monotonic
        self._limiter = LogLimiter()

    def piece(self, piece: TooLong | NotRead) -> None:
        """Count a piece of a list or a watch that is no object to read."""
        if isinstance(piece, NotRead):
            self.note("one", f"it is not JSON ({piece.why})")
        else:
            self.note("/".join(metadata_in(piece.head).values()) or "one", f"it is longer than {self._max_bytes} bytes")

    def note(self, what: str, why: str) -> None:
        """Count one more, and log it if the last line is long enough ago."""
        self.count += 1
        line = f"left out {what} of {self._resource}: {why[:200]}"
        if limited := self._limiter.admit("", line, self._monotonic()):
            _log.warning(limited)
