"""Ids of events and ETags of answers: the process and the store's sequence. Pure except for the process's id.

A sequence of another process, or of the time before a restart, has no meaning here.
"""

from __future__ import annotations

import secrets

PROCESS_ID = secrets.token_hex(4)
"""Identifies this process."""

MAX_DIGITS = 18


def event_id(sequence: int) -> bytes:
    """Return the id of the state after this sequence."""
    return b"%s-%d" % (PROCESS_ID.encode(), sequence)


def sequence_of(text: str) -> int | None:
    """Return the sequence of an id of this process; None for any other text."""
    boot, _, digits = text.partition("-")
    if boot != PROCESS_ID or not (digits.isascii() and digits.isdigit()) or len(digits) > MAX_DIGITS:
        return None
    return int(digits)
