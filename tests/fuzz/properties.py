"""Properties of all values made of foreign bytes."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Coroutine
from typing import Any

import orjson

from pulltrace.pulls.lease_format.values import MAX_BYTES, MAX_LAYERS, MAX_NAMES, MAX_SECONDS, MAX_START, MAX_TEXT
from pulltrace.pulls.model import Layer, Pull

DECEIVING = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Categories of characters that are invisible, end a line, change the direction of text, or cannot be encoded."""


def honest(text: str) -> bool:
    """Return whether a reader sees every character."""
    return not any(unicodedata.category(character) in DECEIVING for character in text)


def is_line(text: str, limit: int) -> None:
    """Check for one bounded printable line, as in a log or on the page."""
    assert text.isprintable()
    assert len(text) <= limit


def is_name(text: object) -> None:
    """Check a name for the page: bounded, not empty, without deceptive characters or markup."""
    assert isinstance(text, str)
    assert 0 < len(text) <= MAX_TEXT
    assert honest(text)
    assert not set("<>") & set(text)


def is_count(value: object) -> None:
    assert type(value) is int
    assert 0 <= value < MAX_BYTES


def is_time(value: float | None) -> None:
    assert value is None or (math.isfinite(value) and 0 <= value <= MAX_START + MAX_SECONDS)


def is_pull(pull: Pull) -> None:
    """Check every field against its range in docs/lease-format.md."""
    assert len(pull.id) == 12
    assert set(pull.id) <= set("0123456789abcdef")
    left = pull.time_left
    for moment in (pull.started_at, pull.progressed_at, pull.ended_at, left.likely if left else None):
        is_time(moment)
    assert len(pull.names) <= MAX_NAMES
    assert len(pull.repositories) <= MAX_NAMES
    for name in (*pull.names, *pull.repositories):
        is_name(name)
    assert pull.error is None or (honest(pull.error) and len(pull.error) <= MAX_TEXT)
    for count in (pull.downloaded_bytes, pull.cached_bytes, pull.lazy_bytes, pull.unpacked_bytes):
        is_count(count)
    if pull.total_bytes is not None:
        is_count(pull.total_bytes)
        assert pull.downloaded_bytes <= pull.total_bytes
    assert math.isfinite(pull.bytes_per_second)
    assert 0 <= pull.bytes_per_second < MAX_BYTES
    if left is not None and left.bounds is not None:
        assert 0 <= left.bounds[0] <= left.bounds[1] <= MAX_SECONDS
    is_count(pull.layer_count)
    is_count(pull.layers_done)
    assert len(pull.layers) <= MAX_LAYERS
    for layer in pull.layers:
        is_layer(layer)


def is_layer(layer: Layer) -> None:
    is_count(layer.size_bytes)
    assert 0 <= layer.downloaded_bytes <= layer.size_bytes
    assert layer.digest.startswith("sha256:")
    assert honest(layer.digest)


def json_of(data: bytes) -> Any:
    """Return the value of our reader; None for bytes that are no JSON, which the client of the wire handles."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return None


def drive(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that never waits to its end, without an event loop for each of thousands."""
    try:
        while True:
            work.send(None)
    except StopIteration:
        pass
