"""Objects that a watch leaves out because they are unreadable or too long: all are counted, few are logged.

Authors of objects may create many of them, so the log has one line in 10 s for each watch.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from pulltrace.kube.decoding.api_objects import scan_metadata
from pulltrace.kube.decoding.object_reader import NotJson, TooLong
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

    def item(self, item: TooLong | NotJson) -> None:
        """Count an item of a list or a watch that was not decoded."""
        if isinstance(item, NotJson):
            self.note("one", f"it is not JSON ({item.reason})")
        else:
            self.note(
                "/".join(scan_metadata(item.head).values()) or "one", f"it is longer than {self._max_bytes} bytes"
            )

    def note(self, name: str, reason: str) -> None:
        """Count one object, and log it unless the last line is too recent."""
        self.count += 1
        line = f"left out {name} of {self._resource}: {reason[:200]}"
        if limited := self._limiter.admit("", line, self._monotonic()):
            _log.warning(limited)
