"""What events and answers are numbered with: the process and the store's sequence. Pure, but for the process's name.

A sequence of another process, or of this one before a restart, means nothing here.
"""

from __future__ import annotations

import secrets

BOOT = secrets.token_hex(4)
"""This process."""

MAX_DIGITS = 18


def event_id(sequence: int) -> bytes:
    """Names a moment: everything up to this sequence."""
    return b"%s-%d" % (BOOT.encode(), sequence)


def sequence_of(text: str) -> int | None:
    """The sequence of an id that this process gave; None for any other text."""
    boot, _, digits = text.partition("-")
    if boot != BOOT or not (digits.isascii() and digits.isdigit()) or len(digits) > MAX_DIGITS:
        return None
    return int(digits)
