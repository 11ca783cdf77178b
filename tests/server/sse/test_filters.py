"""Streams with filters, and groups of subscribers with equal ones."""

from __future__ import annotations

from pulltrace.pulls.model import Phase
from pulltrace.pulls.view import PodState
from pulltrace.server.http.problems import read_query
from pulltrace.server.json.filters import Filters
from pulltrace.server.sse.endpoint import QUERY
from pulltrace.server.sse.subscription_options import SubscriptionOptions
from tests.builders.views import POD, estimated_pod
from tests.server.streams import Streams, at
from tests.server.waiting import until


async def test_filters_choose_rows_and_changes() -> None:
    """A subscriber with filters receives matching rows only: in the snapshot and after it."""
    one, other = at(0), at(0, node="node-2", pull_id="00000000000b")
    streams = Streams(one, other)
    async with streams.open("node=node-2&layers=true") as reader:
        snapshot = await reader.event()
        assert one.id not in snapshot
        assert other.id in snapshot
        streams.source.put(at(1), at(2, node="node-2", pull_id=other.id))
        change = await reader.event()
        assert one.id not in change
        assert '"downloadedBytes":2' in change


async def test_row_that_fits_no_more_is_gone() -> None:
    """For a subscriber with filters a row comes when it begins to fit and goes when it does not any more."""
    streams = Streams()
    async with streams.open("phase=downloading") as reader:
        await reader.event()
        streams.source.put(at(0, Phase.RESOLVING))
        streams.source.put(at(0))
        assert '"type":"pull.started"' in await reader.event()
        streams.source.put(at(100, Phase.UNPACKING))
        assert '"type":"pull.removed"' in await reader.event()


async def test_shown_pull_ends_for_its_subscribers() -> None:
    """No pod waits for an ended pull, yet subscribers that saw it receive its end and its removal."""
    streams = Streams(at(0, waiting=(POD,)))
    async with streams.open("namespace=shop") as reader, streams.open("namespace=other") as other:
        await reader.event()
        streams.source.put(at(100, Phase.COMPLETED))
        assert '"type":"pull.completed"' in await reader.event()
        async with streams.open("namespace=shop") as late:
            assert at(0).id in await late.event()
        streams.source.remove(at(0).id)
        assert '"type":"pull.removed"' in await reader.event()
        assert (await other.event()).count("event: snapshot") == 1


async def test_same_question_is_one_group() -> None:
    """Subscribers with equal filters in another order receive the same bytes; an event of two groups is written once."""
    streams = Streams(at(0))
    asked = ("node=node-1&node=a", "node=a&node=node-1&node=a", "image=nginx")
    clients = [
        streams.join(SubscriptionOptions(filters=Filters.from_query(read_query(query, QUERY)))) for query in asked
    ]
    for client in clients:
        client.take()
    streams.source.put(at(1))
    await until(lambda: all(client.frames for client in clients))

    assert clients[0].frames[0] is clients[1].frames[0]
    assert clients[0].frames == clients[2].frames
    assert len(streams.hub._groups) == 2
    for client in clients:
        client.leave()
    assert not streams.hub._groups


async def test_pods_are_chosen_too() -> None:
    """Filters choose among pods as among pulls; a shown pod is reported ready, although it needs no image then."""
    streams = Streams(estimated_pod(), at(1))
    async with streams.open("pods=true&image=nginx") as reader, streams.open("pods=true&namespace=other") as other:
        assert '"podName":"web-1"' in await reader.event()
        assert '"pods":[]' in await other.event()
        streams.source.put(estimated_pod(state=PodState.READY))
        ready = await reader.event()
        async with streams.open("pods=true&image=nginx") as late:
            assert '"state":"ready"' in await late.event()
        streams.source.remove(estimated_pod().id)
        streams.source.put(estimated_pod("web-2"), estimated_pod("web-2", needs=()))
        removed = await reader.until("}\n\n")

    assert '"type":"pod.ready"' in ready
    assert '"type":"pod.removed"' in removed
