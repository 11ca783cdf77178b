"""Rows as JSON text, each written once and used wherever it is sent.

A change goes to hundreds of viewers, and a new viewer gets thousands of rows of which few have changed since the last
one came. Measured with 3,000 rows of ten layers: writing them all takes 0.15 s in which nothing else
runs, putting texts together that are there takes 5 to 20 ms.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pulltrace.pulls.view import Row
from pulltrace.server.json import pod_serializers
from pulltrace.server.json.clock import Clocks

SPARE_ROWS = 256
"""So many texts of rows that may be gone are kept before somebody looks."""

_NOTHING: tuple[None, bytes] = (None, b"")


class Fragments:
    """The JSON texts of the rows that were asked for."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks
        self._by_id: dict[str, tuple[Row | None, bytes]] = {}

    def of(self, row: Row) -> bytes:
        known, text = self._by_id.get(row.id, _NOTHING)
        if known is not row:
            # NOTE: what orjson gives takes 4 to 8 KiB, however short it is; a copy takes what it needs.
            text = bytes(memoryview(pod_serializers.encode(row, self._clocks.to_wall())))
            self._by_id[row.id] = (row, text)
        return text

    def of_all(self, rows: Iterable[Row]) -> list[bytes]:
        return [self.of(row) for row in rows]

    def forget(self, row_id: str) -> None:
        self._by_id.pop(row_id, None)

    def keep_only(self, *there: Mapping[str, Row]) -> None:
        """Forgets what is not among all the rows there are, if that is worth the trouble."""
        if len(self._by_id) > sum(map(len, there)) + SPARE_ROWS:
            self._by_id = {key: known for key, known in self._by_id.items() if any(key in rows for rows in there)}
