"""What the server keeps does not grow with the rows that come and go, whoever watches and whenever."""

from __future__ import annotations

from pulltrace.pulls.view import PullView
from pulltrace.server.json.event_ids import PROCESS_ID
from pulltrace.server.json.row_cache import SPARE_ROWS
from pulltrace.server.sse.client import Manners
from pulltrace.server.sse.subscriber_group import MOST_MISSED
from tests.builders.views import pull_view as view
from tests.server.streams import PLAIN, Streams
from tests.server.waiting import until


def rows(first: int, count: int = SPARE_ROWS) -> list[PullView]:
    """Pulls that nobody has seen before."""
    return [view(f"{number:012x}") for number in range(first, first + count)]


async def test_rows_that_went_while_nobody_watched_are_forgotten() -> None:
    """Somebody looks at the page now and then, and finds other pulls each time."""
    streams = Streams()
    for visit in range(6):
        shown = rows(visit * SPARE_ROWS)
        streams.source.put(*shown)
        streams.join().leave()
        for row in shown:
            streams.source.remove(row.id)

    assert len(streams.hub._fragments._by_id) <= 3 * SPARE_ROWS


async def test_rows_that_went_while_a_viewer_was_away_are_forgotten() -> None:
    """It is told that they came and went, once; another one watches all the time."""
    streams = Streams(view(), manners=Manners(look_seconds=0.01))
    streams.join()
    for row in rows(1, 2 * SPARE_ROWS):
        streams.source.put(row)
        streams.source.remove(row.id)
    told = 1 + 4 * SPARE_ROWS
    await until(lambda: streams.hub._gathering.told == told)
    missed = streams.join(last_event_id=f"{PROCESS_ID}-1").take()

    assert missed.count(b"pull.removed") == 2 * SPARE_ROWS
    await until(lambda: len(streams.hub._fragments._by_id) <= 1 + SPARE_ROWS)


async def test_texts_of_what_was_missed_are_few() -> None:
    """While nothing happens, viewers come back to as many places as there were changes."""
    streams = Streams(view())
    streams.join()
    streams.source.put(*rows(1, 3 * MOST_MISSED))
    await until(lambda: streams.hub._gathering.told == 1 + 3 * MOST_MISSED)
    for sequence in range(1, 1 + 3 * MOST_MISSED):
        assert b"event: resumed\n" in streams.join(last_event_id=f"{PROCESS_ID}-{sequence}").take()

    assert len(streams.hub._groups[PLAIN]._missed) == MOST_MISSED


async def test_texts_of_what_was_missed_are_not_kept_for_long() -> None:
    """Whoever was cut off together comes back together."""
    streams = Streams(view(), manners=Manners(look_seconds=0.01))
    streams.join()
    group = streams.hub._groups[PLAIN]
    streams.join(last_event_id=f"{PROCESS_ID}-1")

    assert len(group._missed) == 1
    await until(lambda: not group._missed)
