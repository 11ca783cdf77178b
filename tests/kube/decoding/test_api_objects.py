"""Lines of a watch and pages of a list: valid ones, and any other bytes."""

from __future__ import annotations

import pytest

from pulltrace.kube.decoding.api_objects import decode_watch_line, list_metadata, resource_version, status_error
from pulltrace.kube.errors import ApiUnreachable


def test_a_line_has_a_type_and_an_object() -> None:
    """Lines of a watch are decoded."""
    assert decode_watch_line(b'{"type": "ADDED", "object": {"a": 1}}') == ("ADDED", {"a": 1})


@pytest.mark.parametrize("line", [b"", b"<html>", b'{"type": "ADDED"', b'{"type": "ADDED"}', b'"\xff"', b"[" * 5000])
def test_any_other_line_is_a_broken_connection(line: bytes) -> None:
    """A proxy may send any text."""
    with pytest.raises(ApiUnreachable, match="a line of the watch is not"):
        decode_watch_line(line)


@pytest.mark.parametrize("page", [None, [], {}, {"metadata": {}}, {"metadata": {"resourceVersion": "1"}, "items": 1}])
def test_any_other_page_is_a_broken_connection(page: object) -> None:
    """A response that is not a list is an error."""
    with pytest.raises(ApiUnreachable, match="not a list of objects"):
        list_metadata("/x", page)


def test_a_list_without_items_is_empty() -> None:
    """The API server writes null for no items."""
    metadata = {"resourceVersion": "1"}

    assert list_metadata("/x", {"metadata": metadata, "items": None}) == metadata


@pytest.mark.parametrize(("raw", "version"), [({"metadata": {"resourceVersion": "7"}}, "7"), ({}, "")])
def test_a_version_may_be_missing(raw: dict[str, object], version: str) -> None:
    """An object without a version does not move the watch on."""
    assert resource_version(raw) == version


def test_a_status_may_ask_to_wait() -> None:
    """Retry-After is in the details of a Status."""
    error = status_error({"code": 429, "message": "slow\ndown", "details": {"retryAfterSeconds": 3}})

    assert (error.status, error.reason, error.retry_after_seconds) == (429, "slow down", 3.0)
