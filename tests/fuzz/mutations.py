"""Bytes that were valid once: real samples with a few changes.

Random bytes never get past a parser, so an input begins as a sample. Most samples are JSON, one value or one a line,
sometimes with JSON in a string (a Lease's annotations), and the changes know that. Chance is an argument: that of
hypothesis, which minimises a failing input, or a plain one, which is twenty times as fast.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, TypeAlias

MAX_BYTES = 64 * 1024
"""An input stays small enough for thousands of them; larger limits have tests of their own."""
MAX_PLACES = 500

TEXTS = (
    "",
    " ",
    "\0",
    "\x1b[31mred",
    "\u202egnp.exe",
    "\u061c",
    "\u200b",
    "\u2028",
    "\U000e0041",
    "<script>alert(1)</script>",
    "javascript:alert(1)",
    "\r\nX-Injected: yes",
    "../../etc/passwd",
    "٣",
    "😀",
    "-1",
    "0" * 400,
    "a" * 5000,
    "ü" * 1500,
    '"',
    "\\",
    "%00",
    "{",
    "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00+14:00",
    "sha256:" + "0" * 64,
)
"""Hostile values in the place of a text."""

VALUES = (
    "null",
    "true",
    "[]",
    "{}",
    "0",
    "-1",
    "0.5",
    "1e999",
    "-1e999",
    "NaN",
    "-Infinity",
    str(2**53),
    str(2**63),
    str(2**64),
    str(10**18),
    "9" * 400,
    r'"\ud800"',
    '["a","a"]',
    "[" * 1000 + "]" * 1000,
    '{"a":' * 990 + "1" + "}" * 990,
    "[" * 5000,
    *(json.dumps(text) for text in TEXTS),
)
"""JSON, or almost JSON, in the place of another value."""

Change: TypeAlias = Callable[[Random, bytes], bytes]


def mutated(chance: Random, samples: Sequence[bytes]) -> bytes:
    """Return one of the samples with no, one or a few changes."""
    data = chance.choice(samples)
    for _ in range(chance.randint(0, 4)):
        data = chance.choice(CHANGES)(chance, data)
    return data[:MAX_BYTES]


def _flip(chance: Random, data: bytes) -> bytes:
    if not data:
        return data
    at, bit = chance.randint(0, len(data) - 1), chance.randint(0, 7)
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


def _cut(chance: Random, data: bytes) -> bytes:
    return data[: chance.randint(0, len(data))]


def _part(chance: Random, data: bytes) -> tuple[int, int]:
    start = chance.randint(0, len(data))
    return start, min(len(data), start + chance.randint(0, 40))


def _cut_out(chance: Random, data: bytes) -> bytes:
    start, end = _part(chance, data)
    return data[:start] + data[end:]


def _repeat(chance: Random, data: bytes) -> bytes:
    start, end = _part(chance, data)
    return data[:end] + data[start:end] * chance.choice([1, 2, 50, 600]) + data[end:]


def _insert(chance: Random, data: bytes) -> bytes:
    at = chance.randint(0, len(data))
    inserted = chance.choice([*TEXTS, *VALUES]).encode("utf-8", "surrogatepass")
    return data[:at] + inserted + data[at:]


def _noise(chance: Random, data: bytes) -> bytes:
    at = chance.randint(0, len(data))
    return data[:at] + bytes(chance.randint(0, 255) for _ in range(chance.randint(1, 8))) + data[at:]


def _change_value(chance: Random, data: bytes) -> bytes:
    """Change a line of JSON: another value, another key, a duplicate key, or hundreds of copies of one."""
    lines = data.split(b"\n")
    number = chance.randint(0, len(lines) - 1)
    changed = _changed(chance, lines[number])
    return _flip(chance, data) if changed is None else b"\n".join([*lines[:number], changed, *lines[number + 1 :]])


def _changed(chance: Random, line: bytes) -> bytes | None:
    """Return the parsed text; None if it is no JSON."""
    try:
        holder = [json.loads(line)]
    except (ValueError, RecursionError):
        return None
    places = _places(holder)
    where, key = chance.choice(places)
    value = where[key]
    if isinstance(value, str) and value[:1] in {"{", "["} and (inner := _changed(chance, value.encode())) is not None:
        where[key] = inner.decode("utf-8", "replace")
        return json.dumps(holder[0]).encode()
    raw = chance.choice(VALUES)
    match chance.choice(["replace", "replace", "replace", "twice", "rename", "remove", "swap", "many"]):
        case "twice" if isinstance(where, dict):
            where[f"{key}{_MARK}"] = _MARK
        case "rename" if isinstance(where, dict):
            where[chance.choice(TEXTS)] = where.pop(key)
        case "remove" if where is not holder:
            del where[key]
        case "swap":
            other, other_key = chance.choice(places)
            where[key] = json.loads(json.dumps(other[other_key]))  # a value inside itself would have no end
        case "many":
            where[key] = [value] * chance.choice([2, 17, 600]) if len(str(value)) < 80 else [value]
        case _:
            where[key] = _MARK
    text = json.dumps(holder[0])
    return text.replace(f'"{_MARK}"', raw).replace(_MARK, "").encode("utf-8", "surrogatepass")


_MARK = "%mark%"


def _places(holder: list[Any]) -> list[tuple[Any, Any]]:
    """Return each value's container and key, at most so many, level by level."""
    places: list[tuple[Any, Any]] = [(holder, 0)]
    for where, key in places:
        value = where[key]
        if len(places) < MAX_PLACES and isinstance(value, dict | list):
            places += [(value, each) for each in (list(value) if isinstance(value, dict) else range(len(value)))]
    return places


CHANGES: tuple[Change, ...] = (
    _change_value,
    _change_value,
    _change_value,
    _flip,
    _cut,
    _cut_out,
    _repeat,
    _insert,
    _noise,
)
