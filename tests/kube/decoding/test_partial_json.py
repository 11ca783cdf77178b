"""Fields that are read of a large object, against those of a parser of the whole object."""

from __future__ import annotations

import string
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulltrace.kube.decoding.partial_json import SMALL_BYTES, Shape, read_object

NAMES = st.sampled_from(("metadata", "name", "spec", "list", "other", 'a"b', "\\", ""))
SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8) | st.text('"\\{}[],:<', max_size=8)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=30
)
SHAPE: Shape = {"metadata": {"name": None}, "spec": {"list": {"name": None, "spec": {}}}, "name": None}
PADDING = b" " * SMALL_BYTES


def chosen(value: Any, shape: Shape | None) -> Any:
    """Return the expected result of `read_object`, from the whole value."""
    if shape is None:
        return value
    if isinstance(value, dict):
        return {name: chosen(each, shape[name]) for name, each in value.items() if name in shape}
    if isinstance(value, list):
        return [chosen(each, shape) if isinstance(each, dict) else each for each in value]
    return value


@given(st.dictionaries(NAMES, VALUES, max_size=6), st.booleans())
def test_it_gives_the_fields_of_the_shape(value: dict[str, Any], indented: bool) -> None:  # noqa: FBT001  # hypothesis gives it
    """For all texts and white space the fields are those of a parser of the whole object."""
    raw = orjson.dumps(value, option=orjson.OPT_INDENT_2 if indented else 0)
    assert read_object(raw + PADDING, SHAPE) == chosen(value, SHAPE)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"name"',
        '{"name":',
        '{"name":1',
        '{"name":1]',
        '{"x":[}',
        '{"x":"',
        "{} {}",
        "[1,",
        '{"name":nul}',
        "{,}",
    ],
)
def test_anything_but_json_is_an_error(text: str) -> None:
    """Text that breaks off or does not fit is a `ValueError`, as for a parser."""
    with pytest.raises(ValueError):  # whichever
        read_object(text.encode() + PADDING, SHAPE)


def test_deep_nesting_is_skipped() -> None:
    """Brackets nested without end neither end the stack nor are parsed."""
    deep = b"[" * 5_000 + b"]" * 5_000
    assert read_object(b'{"x":' + deep + b',"name":"a"}' + PADDING, SHAPE) == {"name": "a"}


def test_a_small_object_is_whole() -> None:
    """Small objects are parsed whole."""
    assert read_object(b'{"other":1}', SHAPE) == {"other": 1}


def test_printable_texts_survive() -> None:
    """Escapes of every kind are read as the parser reads them."""
    text = string.printable + "\U0001f40b<>&\u2028"
    escaped = orjson.dumps(text).replace(b"<", b"\\u003c")
    assert read_object(b'{"other":' + escaped + b',"name":' + escaped + b"}" + PADDING, SHAPE) == {"name": text}
