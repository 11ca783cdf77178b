"""The memory of the stream does not grow with rows that come and go."""

from __future__ import annotations

from pulltrace.pulls.view import PullView
from pulltrace.server.json.event_ids import PROCESS_ID
from pulltrace.server.json.row_cache import SPARE_ROWS
from pulltrace.server.sse.hub import StreamPolicy
from pulltrace.server.sse.subscriber_group import MAX_RESUMED
from tests.builders.views import pull_view
from tests.server.streams import PLAIN, Streams
from tests.server.waiting import until


def rows(first: int, count: int = SPARE_ROWS) -> list[PullView]:
    """Return new pulls."""
    return [pull_view(f"{number:012x}") for number in range(first, first + count)]


async def test_rows_removed_without_subscribers_are_forgotten() -> None:
    """A page is opened now and then, with other pulls each time."""
    streams = Streams()
    for visit in range(6):
        shown = rows(visit * SPARE_ROWS)
        streams.source.put(*shown)
        streams.join().leave()
        for row in shown:
            streams.source.remove(row.id)

    assert len(streams.hub._row_cache._by_id) <= 3 * SPARE_ROWS


async def test_rows_of_resumed_streams_are_forgotten() -> None:
    """A client that resumes receives their events once; another one stays connected."""
    streams = Streams(pull_view(), policy=StreamPolicy(check_seconds=0.01))
    streams.join()
    for row in rows(1, 2 * SPARE_ROWS):
        streams.source.put(row)
        streams.source.remove(row.id)
    published = 1 + 4 * SPARE_ROWS
    await until(lambda: streams.hub._throttle.published_sequence == published)
    resumed = streams.join(last_event_id=f"{PROCESS_ID}-1").take()

    assert resumed.count(b"pull.removed") == 2 * SPARE_ROWS
    await until(lambda: len(streams.hub._row_cache._by_id) <= 1 + SPARE_ROWS)


async def test_resume_frames_are_few() -> None:
    """Without new changes, clients resume from as many places as changes exist."""
    streams = Streams(pull_view())
    streams.join()
    streams.source.put(*rows(1, 3 * MAX_RESUMED))
    await until(lambda: streams.hub._throttle.published_sequence == 1 + 3 * MAX_RESUMED)
    for sequence in range(1, 1 + 3 * MAX_RESUMED):
        assert b"event: resumed\n" in streams.join(last_event_id=f"{PROCESS_ID}-{sequence}").take()

    assert len(streams.hub._groups[PLAIN]._resumed) == MAX_RESUMED


async def test_snapshots_are_dropped_soon() -> None:
    """Without changes, a group does not keep the snapshot that its subscribers have read."""
    streams = Streams(pull_view(), policy=StreamPolicy(check_seconds=0.01))
    streams.join().take()

    assert streams.hub._groups[PLAIN].kept_frames
    await until(lambda: not streams.hub._groups[PLAIN].kept_frames)


async def test_resume_frames_are_dropped_soon() -> None:
    """Clients that lost their connections together resume together."""
    streams = Streams(pull_view(), policy=StreamPolicy(check_seconds=0.01))
    streams.join()
    group = streams.hub._groups[PLAIN]
    streams.join(last_event_id=f"{PROCESS_ID}-1")

    assert len(group._resumed) == 1
    await until(lambda: not group._resumed)
