"""Lines of a watch and pages of a list, whatever they are made of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulltrace.kube.errors import ApiError, ApiUnreachable
from pulltrace.kube.frames import frame, page_of, status_error, version_of

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)


def test_a_line_has_a_type_and_an_object() -> None:
    """What a watch sends."""
    assert frame(b'{"type": "ADDED", "object": {"a": 1}}') == ("ADDED", {"a": 1})


@given(st.binary())
def test_any_other_line_is_a_broken_connection(line: bytes) -> None:
    """No bytes get out of it as another exception."""
    with pytest.raises(ApiUnreachable):
        frame(line)


@given(json_values)
def test_any_page_is_a_list_or_a_broken_connection(page: object) -> None:
    """No JSON gets out of it as another exception."""
    with pytest.raises(ApiUnreachable):
        page_of("/x", page)


def test_a_list_without_items_is_empty() -> None:
    """The API server writes null for no items."""
    assert page_of("/x", {"metadata": {"resourceVersion": "1"}, "items": None})[1] == []


@pytest.mark.parametrize(("raw", "version"), [({"metadata": {"resourceVersion": "7"}}, "7"), ({}, "")])
def test_a_version_may_be_missing(raw: dict[str, object], version: str) -> None:
    """An object without a version does not move the watch on."""
    assert version_of(raw) == version


@given(st.dictionaries(st.sampled_from(["code", "message", "reason", "details"]), json_values))
def test_any_status_is_an_error(status: dict[str, object]) -> None:
    """A Status of any content becomes an error of the API's."""
    assert isinstance(status_error(status), ApiError)


def test_a_status_may_ask_to_wait() -> None:
    """The details of a Status carry the server's wish."""
    error = status_error({"code": 429, "message": "slow\ndown", "details": {"retryAfterSeconds": 3}})

    assert (error.status, error.reason, error.retry_after_seconds) == (429, "slow down", 3.0)
