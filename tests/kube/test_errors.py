"""Errors, and text from outside in them."""

from __future__ import annotations

import pytest

from pulltrace.kube.errors import ApiError, ApiUnreachable, ConnectError, KubeError, one_line


def test_text_from_outside_becomes_one_line() -> None:
    """No line break, escape sequence or endless text reaches a log."""
    assert one_line("<html>\n\t<b>Bad\x1b[31m</b>\u202e") == "<html> <b>Bad [31m</b>"
    assert one_line("x" * 1000, 10) == "x" * 9 + "…"


@pytest.mark.parametrize("error", [ApiError(500, "broken"), ApiUnreachable("gone"), ConnectError("nowhere")])
def test_all_are_of_one_kind(error: KubeError) -> None:
    """One class catches all errors."""
    assert isinstance(error, KubeError)
