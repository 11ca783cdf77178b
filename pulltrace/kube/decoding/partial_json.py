"""Some fields of a large JSON object, without building the rest.

A parsed object takes up to forty times its bytes: `{}` is a dictionary of 64 bytes. Authors of Pods choose their
content, so a large object is never parsed whole: this module walks over its text and builds only the fields that a
shape names. Regular expressions skip the rest, at some 100 MB/s.

The text is JSON of an API server. Other text is a `ValueError`, or lacks fields.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

import orjson

MAX_OBJECT_BYTES = 12 * 1024 * 1024
"""Longest object. etcd takes 1.5 MiB, which is up to 9 MiB as JSON, where `<` is six characters."""
SMALL_BYTES = 64 * 1024
"""Objects up to this size are parsed whole, which is faster and takes 3 MiB at most."""

Shape: TypeAlias = Mapping[str, "Shape | None"]
"""The fields to read; None reads the whole value. A list has the shape of its objects."""

_DEPTH = 12
"""Deepest nesting that one match skips; deeper values are skipped in steps."""

_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_PLAIN = rb'[^"{}\[\]]++|' + _STRING


def _nested(depth: int) -> bytes:
    return _PLAIN if depth == 0 else _PLAIN + rb"|[{\[](?:" + _nested(depth - 1) + rb")*+[}\]]"


BALANCED = re.compile(rb"(?:" + _nested(_DEPTH) + rb")*+", re.DOTALL)
"""Text up to an unclosed bracket or an unterminated string."""
STRING_REST = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
"""Text up to the end of the string in which it begins."""
_SCALAR = re.compile(_STRING + rb"|[-+.0-9A-Za-z]++", re.DOTALL)
_SPACE = re.compile(rb"[ \t\r\n]*+")
_KEY = re.compile(rb"[ \t\r\n]*+(" + _STRING + rb")[ \t\r\n]*+:[ \t\r\n]*+", re.DOTALL)
_NEXT = re.compile(rb"[ \t\r\n]*+([,}\]])[ \t\r\n]*+")


def read_object(raw: bytes, shape: Shape | None) -> Any:
    """Return the value of a JSON text, of a large one only the fields of `shape`. Raises `ValueError` for other text."""
    if shape is None or len(raw) <= SMALL_BYTES:
        return orjson.loads(raw)
    value, end = _value(raw, _after_space(raw, 0), shape)
    if _after_space(raw, end) != len(raw):
        raise ValueError("more than one value")
    return value


def _value(raw: bytes, at: int, shape: Shape | None) -> tuple[Any, int]:
    """Return the value that begins here, and its end."""
    first = raw[at : at + 1]
    if first == b"{" and shape is not None:
        return _object(raw, at + 1, shape)
    if first == b"[" and shape is not None:
        return _list(raw, at + 1, shape)
    end = _end(raw, at)
    return orjson.loads(raw[at:end]), end


def _object(raw: bytes, at: int, shape: Shape) -> tuple[dict[str, Any], int]:
    found: dict[str, Any] = {}
    at = _after_space(raw, at)
    if raw[at : at + 1] == b"}":
        return found, at + 1
    while key := _KEY.match(raw, at):
        at = key.end()
        name = orjson.loads(key[1])
        if name in shape:
            found[name], at = _value(raw, at, shape[name])
        else:
            at = _end(raw, at)
        mark, at = _next(raw, at)
        if mark == b"}":
            return found, at
    raise ValueError("an object without an end")


def _list(raw: bytes, at: int, shape: Shape) -> tuple[list[Any], int]:
    found: list[Any] = []
    at = _after_space(raw, at)
    if raw[at : at + 1] == b"]":
        return found, at + 1
    while at < len(raw):
        value, at = _value(raw, at, shape if raw[at : at + 1] == b"{" else None)
        found.append(value)
        mark, at = _next(raw, at)
        if mark == b"]":
            return found, at
    raise ValueError("a list without an end")


def _next(raw: bytes, at: int) -> tuple[bytes, int]:
    """Return the comma or bracket after a value, and the position behind it."""
    if mark := _NEXT.match(raw, at):
        return mark[1], mark.end()
    raise ValueError("a value without an end")


def _end(raw: bytes, at: int) -> int:
    """Return the end of the value that begins here."""
    if raw[at : at + 1] in {b"{", b"["}:
        return _end_of_brackets(raw, at + 1)
    if scalar := _SCALAR.match(raw, at):
        return scalar.end()
    raise ValueError("no value where one belongs")


def _end_of_brackets(raw: bytes, at: int) -> int:
    depth = 1
    while depth:
        at = BALANCED.match(raw, at).end()  # type: ignore[union-attr]  # it also matches the empty text
        bracket = raw[at : at + 1]
        if not bracket or bracket == b'"':
            raise ValueError("brackets that are not closed")
        depth += 1 if bracket in {b"{", b"["} else -1
        at += 1
    return at


def _after_space(raw: bytes, at: int) -> int:
    return _SPACE.match(raw, at).end()  # type: ignore[union-attr]  # as above
