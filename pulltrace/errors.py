"""The one kind of error that every part of the program shares."""

from __future__ import annotations


class UserError(Exception):
    """Something that the person who started the program can mend; the text is one line for that person."""
