"""Rows are encoded once, and their texts are dropped with them."""

from __future__ import annotations

import tracemalloc

from pulltrace.server.json.clock import Clocks
from pulltrace.server.json.row_cache import SPARE_ROWS, RowCache
from tests.builders.views import pull_view


def test_row_is_encoded_once() -> None:
    """The same row gives the same text, not an equal one."""
    cache = RowCache(Clocks())
    row = pull_view()

    assert cache.text(row) is cache.text(row)


def test_texts_take_no_more_than_they_need() -> None:
    """Thousands of them are kept, so what the encoder took for itself while it wrote must not stay."""
    cache, rows = RowCache(Clocks()), [pull_view(f"{number:012x}") for number in range(100)]
    cache.texts(rows[:10])
    tracemalloc.start()
    try:
        texts = cache.texts(rows)
        kept_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert kept_bytes < 2 * sum(map(len, texts))


def test_rows_that_are_gone_are_forgotten() -> None:
    """However many rows come and go, the texts that are kept are about as many as there are rows."""
    cache = RowCache(Clocks())
    for number in range(10 * SPARE_ROWS):
        row = pull_view(f"{number:012x}")
        cache.texts([row])
        cache.keep_only({row.id: row})

    assert len(cache._by_id) <= 1 + SPARE_ROWS


def test_row_that_was_removed_is_forgotten_at_once() -> None:
    """The text of a removed row is dropped."""
    cache = RowCache(Clocks())
    cache.text(pull_view())
    cache.forget(pull_view().id)

    assert not cache._by_id
