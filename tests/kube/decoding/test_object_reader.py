"""Lists and watches taken apart while they arrive: the same objects however the bytes are cut, and bounded memory."""

from __future__ import annotations

import asyncio
import time
import tracemalloc
from collections.abc import AsyncIterator, Iterable
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulltrace.kube.decoding import object_reader
from pulltrace.kube.decoding.object_reader import (
    HEAD_BYTES,
    LargeObjectLock,
    ListItem,
    ListReader,
    NotJson,
    TooLong,
    Yielding,
    read_lines,
)
from pulltrace.kube.errors import ApiUnreachable
from pulltrace.kube.resources.leases import LEASE_SHAPE
from pulltrace.kube.resources.pending_pods import POD_SHAPE

MAX_BYTES = 200_000
MEBIBYTE = 1024 * 1024


async def chunks_of(data: bytes, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


async def read(data: bytes, size: int = 1000, max_bytes: int = MAX_BYTES) -> tuple[list[ListItem], bytes]:
    async with LargeObjectLock().reservation() as reservation:
        reader = ListReader(chunks_of(data, size), reservation, POD_SHAPE, max_bytes)
        return [piece async for piece in reader.items()], reader.envelope


def listed(items: Iterable[Any], *, spaced: bool = False, last: bool = False) -> bytes:
    metadata = {"resourceVersion": "1", "continue": "next"}
    page = {"items": list(items), "metadata": metadata} if last else {"metadata": metadata, "items": list(items)}
    return orjson.dumps(page, option=orjson.OPT_INDENT_2 if spaced else 0)


TEXTS = st.text('"\\{}[],:<a \n', max_size=30)
OBJECTS = st.fixed_dictionaries(
    {"metadata": st.dictionaries(TEXTS, TEXTS, max_size=3)}, optional={"spec": TEXTS}
) | st.fixed_dictionaries(
    {
        "kind": TEXTS,
        "metadata": st.fixed_dictionaries({"list": st.lists(st.fixed_dictionaries({"metadata": st.just({})}))}),
    }
)


@given(st.lists(OBJECTS, max_size=6), st.integers(1, 200), st.booleans(), st.booleans())
def test_a_list_is_the_same_however_it_is_cut(items: list[Any], size: int, spaced: bool, last: bool) -> None:  # noqa: FBT001  # hypothesis gives them
    """Objects come as they are, with brackets and quotes in their texts, metadata before or after them, spaced or not."""
    pieces, envelope = asyncio.run(read(listed(items, spaced=spaced, last=last), size))
    assert pieces == items
    assert orjson.loads(envelope) == {"metadata": {"resourceVersion": "1", "continue": "next"}, "items": None}


@pytest.mark.parametrize("items", [b"null", b"[]", b"[ ]"])
async def test_a_list_may_be_empty(items: bytes) -> None:
    """Go writes a list without objects as null."""
    pieces, envelope = await read(b'{"metadata":{},"items":' + items + b"}")
    assert pieces == []
    assert orjson.loads(envelope) == {"metadata": {}, "items": None}


@pytest.mark.parametrize(
    "rest", [b"", b"{", b'{"a":"', b"{}", b"{},", b"{}{}]}", b"1]}", b"{},]}", b"{}]" + b" " * 70_000]
)
async def test_anything_but_a_list_is_an_error(rest: bytes) -> None:
    """A list that breaks off, or has something else between its objects, is not taken for a whole one."""
    with pytest.raises(ApiUnreachable):
        await read(b'{"metadata":{},"items":[' + rest)


async def test_a_long_object_is_left_out() -> None:
    """Only the first bytes of a too long object are kept, anywhere in the list; the others are read."""
    small, large = {"metadata": {"name": "a"}}, {"metadata": {"name": "b", "x": '<"' * MAX_BYTES}}
    pieces, _ = await read(listed([large, small, large, small, large]))
    beginning = TooLong(orjson.dumps(large)[:HEAD_BYTES])
    assert pieces == [beginning, small, beginning, small, beginning]


async def test_the_fields_of_a_large_object_are_read() -> None:
    """A pod with many unused fields is read."""
    pod = {
        "metadata": {"name": "a", "managedFields": [{}] * 40_000},
        "spec": {"containers": [{"name": "c", "image": "i", "env": [{}]}]},
    }
    expected = {"metadata": {"name": "a"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    assert (await read(listed([pod, pod])))[0] == [expected, expected]


async def test_an_object_that_is_not_json_is_its_own_item() -> None:
    """Balanced brackets delimit an object, whose content may be invalid."""
    pieces, _ = await read(b'{"metadata":{},"items":[{"metadata":{nonsense}},{"a":1}]}')
    assert isinstance(pieces[0], NotJson)
    assert pieces[1:] == [{"a": 1}]


async def test_memory_has_a_bound() -> None:
    """A list of 64 MiB in a few objects is read in the memory of one of them."""

    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"metadata":{},"items":['
        for number in range(16):
            yield b"," * bool(number) + b'{"metadata":{"name":"a","managedFields":['
            for _ in range(64):
                yield b"{}," * (64 * 1024 // 3)
            yield b"{}]}}"
        yield b"]}"

    async with LargeObjectLock().reservation() as reservation:
        reader = ListReader(chunks(), reservation, LEASE_SHAPE, 12 * MEBIBYTE)
        tracemalloc.start()
        try:
            assert [piece async for piece in reader.items()] == [{"metadata": {"name": "a"}}] * 16
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 16 * MEBIBYTE


async def test_an_endless_line_is_an_error() -> None:
    """No API server sends a line that never ends."""

    async def chunks() -> AsyncIterator[bytes]:
        chunk = b"x" * MEBIBYTE
        while True:
            yield chunk

    async with LargeObjectLock().reservation() as reservation:
        with pytest.raises(ApiUnreachable, match="longer than"):
            await anext(read_lines(chunks(), reservation))


async def test_an_endless_object_is_an_error() -> None:
    """Nor an object."""

    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"items":[{"a":"'
        chunk = b"x" * MEBIBYTE
        while True:
            yield chunk

    async with LargeObjectLock().reservation() as reservation:
        with pytest.raises(ApiUnreachable, match="longer than"):
            await anext(ListReader(chunks(), reservation, POD_SHAPE, MAX_BYTES).items())


async def test_one_reader_at_a_time_holds_much() -> None:
    """While one has a large line in part, others wait before they read as much, and go on once it is whole."""
    gate, go_on = LargeObjectLock(), asyncio.Event()
    read_by: list[str] = []
    half = b"x" * (object_reader.LARGE_BYTES + 1)

    async def chunks(name: str) -> AsyncIterator[bytes]:
        yield half
        read_by.append(name)
        await go_on.wait()
        yield half + b"\n"

    async def lines(name: str) -> int:
        async with gate.reservation() as reservation:
            return sum([len(line) async for line in read_lines(chunks(name), reservation) if isinstance(line, bytes)])

    tasks = [asyncio.create_task(lines(name)) for name in "ab"]
    while not read_by:
        await asyncio.sleep(0)
    assert read_by == ["a"]
    go_on.set()
    assert await asyncio.gather(*tasks) == [2 * len(half)] * 2


async def test_a_long_read_lets_other_tasks_run() -> None:
    """Objects that have all arrived are read without waiting for anything, so the reader has to pause by itself."""
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    yielding, ends_at = Yielding(), time.monotonic() + 5 * object_reader.BUSY_SECONDS
    while time.monotonic() < ends_at:
        await yielding.between_objects()
    task.cancel()

    assert 1 <= turns <= 5
