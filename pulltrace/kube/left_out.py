"""The objects of a watch that are left out, because they cannot be read or are too long: counted, and logged now and then.

An author of objects may create many of these, so the log has a line in 10 s for them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from pulltrace.kube.frames import start_of
from pulltrace.kube.object_reader import NotRead, TooLong
from pulltrace.log_limiter import LogLimiter

_log = logging.getLogger(__name__)


class LeftOut:
    """Those of one watch."""

    def __init__(self, resource: str, max_bytes: int, monotonic: Callable[[], float]) -> None:
        self.count = 0
        self._resource = resource
        self._max_bytes = max_bytes
        self._monotonic = monotonic
        self._limiter = LogLimiter()

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
        line = f"left out {what} of {self._resource}: {why[:200]}"
        if limited := self._limiter.take("", line, self._monotonic()):
            _log.warning(limited)
