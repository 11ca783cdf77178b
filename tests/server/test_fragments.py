"""Rows are encoded once, and not kept for ever."""

from __future__ import annotations

import tracemalloc

from pulltrace.server.json.clock import Clocks
from pulltrace.server.json.row_cache import SPARE_ROWS, Fragments
from tests.builders.views import pull_view as view


def test_row_is_encoded_once() -> None:
    """The same row gives the same text, not an equal one."""
    fragments = Fragments(Clocks())
    row = view()

    assert fragments.of(row) is fragments.of(row)


def test_texts_take_no_more_than_they_need() -> None:
    """Thousands of them are kept, so what the encoder took for itself while it wrote must not stay."""
    fragments, rows = Fragments(Clocks()), [view(f"{number:012x}") for number in range(100)]
    fragments.of_all(rows[:10])
    tracemalloc.start()
    try:
        texts = fragments.of_all(rows)
        kept_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert kept_bytes < 2 * sum(map(len, texts))


def test_rows_that_are_gone_are_forgotten() -> None:
    """However many rows come and go, the texts that are kept are about as many as there are rows."""
    fragments = Fragments(Clocks())
    for number in range(10 * SPARE_ROWS):
        row = view(f"{number:012x}")
        fragments.of_all([row])
        fragments.keep_only({row.id: row})

    assert len(fragments._by_id) <= 1 + SPARE_ROWS


def test_row_that_was_removed_is_forgotten_at_once() -> None:
    """The text of a row that has been told to be gone is dropped."""
    fragments = Fragments(Clocks())
    fragments.of(view())
    fragments.forget(view().id)

    assert not fragments._by_id
