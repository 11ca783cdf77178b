"""The error that every part of the program shares."""

from __future__ import annotations


class UserError(Exception):
    """A problem that the user can fix; the text is one line for the user."""
