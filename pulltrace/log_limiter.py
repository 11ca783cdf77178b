"""A limit for log lines that outsiders cause: one line in ten seconds for each key and any text. Pure.

An agent that writes junk, a pod that cannot be decoded or a client that sends nonsense can cause many such lines. The
limiter counts the lines that it holds back and adds their number to the next one. It keeps only the newest line of a key,
which `flush` returns later.
"""

from __future__ import annotations

from dataclasses import dataclass

SECONDS = 10.0
MAX_KEYS = 1000
"""Further keys share one line."""

_OTHERS = "\0others"


@dataclass(slots=True)
class _Entry:
    """The state of a key."""

    logged_at: float
    held_back: int = 0
    newest: str = ""


class LogLimiter:
    """Lets the first line of a key through, and then one in each `seconds`."""

    def __init__(self, seconds: float = SECONDS, max_keys: int = MAX_KEYS) -> None:
        self._seconds = seconds
        self._max_keys = max_keys
        self._entries: dict[str, _Entry] = {}  # the key that was logged last is the last

    def admit(self, key: str, line: str, now: float) -> str | None:
        """Return the line to log now, or None when the line is held back."""
        if key not in self._entries and len(self._entries) >= self._max_keys:
            self._forget(now)
            if len(self._entries) >= self._max_keys:
                key = _OTHERS
        entry = self._entries.get(key)
        if entry is not None and not self._is_over(entry, now):
            entry.held_back += 1
            entry.newest = line
            return None
        return self._log(key, line, entry.held_back if entry is not None else 0, now)

    def flush(self, now: float) -> tuple[str, ...]:
        """Return the newest line of each key that was held back and whose time is over. Call about once a second."""
        over = self._over(now)
        lines = [
            self._log(key, self._entries[key].newest, self._entries[key].held_back - 1, now)
            for key in over
            if self._entries[key].held_back
        ]
        self._forget(now)
        return tuple(lines)

    def _log(self, key: str, line: str, others: int, now: float) -> str:
        before = self._entries.pop(key, None)
        self._entries[key] = _Entry(now)
        if before is None or others <= 0:
            return line
        return f"{line} (and {others} more in the last {max(0.0, now - before.logged_at):.0f} s)"

    def _forget(self, now: float) -> None:
        for key in self._over(now):
            if not self._entries[key].held_back:
                del self._entries[key]

    def _over(self, now: float) -> list[str]:
        return [key for key, entry in self._entries.items() if self._is_over(entry, now)]

    def _is_over(self, entry: _Entry, now: float) -> bool:
        # A wall clock may be set back: then it is over, too.
        return not 0 <= now - entry.logged_at < self._seconds
