"""The leader's Events, and all that can go wrong with them. Time is virtual."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import pytest

from pulltrace.aggregator.leader.event_planner import EventPlanner
from pulltrace.aggregator.leader.event_publisher import EventPublisher
from pulltrace.aggregator.metrics.active_pulls import ActivePulls
from pulltrace.aggregator.metrics.registry_baseline import RegistryBaseline
from pulltrace.kube.client.retry import Timing
from pulltrace.kube.errors import ApiError, ApiUnreachable
from pulltrace.kube.resources.event_recorder import EventRecorder, KubernetesEvent
from tests.aggregator.builders import store_of
from tests.builders import virtual_time
from tests.builders.pulls import MIB
from tests.builders.views import running_view, waiting_pod
from tests.builders.virtual_time import now


class Writer(EventRecorder):
    """Records Events, unless a fault comes first."""

    def __init__(self) -> None:
        self.tries: list[tuple[float, str]] = []
        self.written: list[tuple[float, KubernetesEvent]] = []
        self.fault: Callable[[KubernetesEvent], Exception | None] = lambda event: None
        self.at_once = self.most_at_once = 0

    async def write(self, event: KubernetesEvent) -> None:
        self.tries.append((now(), event.namespace))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0.05)
        self.at_once -= 1
        if (error := self.fault(event)) is not None:
            raise error
        self.written.append((now(), event))


class Leader:
    """An publisher replica whose pods wait for a pull that goes on."""

    def __init__(self, count: int = 1, *, per_second: float = 10) -> None:
        self.active, self.writer, self.leading = ActivePulls(), Writer(), True
        self.pods = [waiting_pod(f"web-{number}", namespace=f"ns-{number % 2}") for number in range(count)]
        timing = Timing(monotonic=now, uniform=lambda low, high: low)
        planner = EventPlanner(self.active, RegistryBaseline(), per_second)
        publisher = EventPublisher(planner, self.writer, lambda: self.leading, self.catch_up, timing)
        self.running = asyncio.create_task(publisher.run())

    def catch_up(self) -> None:
        pull = running_view(downloaded_bytes=int(now()) * MIB)
        self.active.reset(store_of([pull], self.pods).snapshot(), now())

    async def end(self) -> None:
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)


def test_the_leader_says_what_is_due() -> None:
    """After ten seconds, then every 15 s while it goes on; a few at a time."""

    async def scenario() -> None:
        leader = Leader(8)
        await asyncio.sleep(60)
        await leader.end()
        assert len(leader.writer.written) == 8 * 4
        assert leader.writer.written[0][0] == pytest.approx(10, abs=0.6)
        assert leader.writer.most_at_once == 4

    virtual_time.run(scenario())


def test_who_does_not_lead_any_more_says_nothing() -> None:
    """It is asked before each write, since the leadership may end while others are on their way."""

    async def scenario() -> None:
        leader = Leader(8)
        leader.writer.fault = lambda event: setattr(leader, "leading", False)
        await asyncio.sleep(60)
        await leader.end()
        assert len(leader.writer.written) == 4

    virtual_time.run(scenario())


@pytest.mark.parametrize("error", [ApiUnreachable("connection refused"), ApiError(500, "etcd"), ApiError(429, "busy")])
def test_an_unavailable_api_server_gets_fewer_requests(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """Longer after each failure, half a minute at most; one line a minute; and afterwards each Event is written."""

    async def scenario() -> None:
        leader = Leader(8)
        leader.writer.fault = lambda event: error
        await asyncio.sleep(310)
        assert len(leader.writer.tries) <= 4 * 20
        assert 4 <= len(caplog.records) <= 6
        leader.writer.fault = lambda event: None
        await asyncio.sleep(35)
        await leader.end()
        assert {event.pod for _, event in leader.writer.written} == {pod.name for pod in leader.pods}

    with caplog.at_level(logging.WARNING):
        virtual_time.run(scenario())
    assert caplog.messages[0] == f"Kubernetes Events: {error}; next try in 0.8 s"


def test_a_server_that_says_when_is_believed() -> None:
    """Retry-After, within reason."""

    async def scenario() -> None:
        leader = Leader()
        leader.writer.fault = lambda event: ApiError(429, "busy", 1e9)
        await asyncio.sleep(300)
        await leader.end()
        assert [round(at) for at, _ in leader.writer.tries] == [10, 130, 250]

    virtual_time.run(scenario())


def test_a_missing_permission_is_named_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """Only in the namespace where it is missing; the others hear of their pods."""

    async def scenario() -> None:
        leader = Leader(2)
        leader.writer.fault = lambda event: ApiError(403, "no") if event.namespace == "ns-1" else None
        await asyncio.sleep(300)
        await leader.end()
        assert len(leader.writer.written) == 20
        assert sum(namespace == "ns-1" for _, namespace in leader.writer.tries) == 5

    with caplog.at_level(logging.WARNING):
        virtual_time.run(scenario())
    text = "Kubernetes Events: missing permission to create and patch events in namespace ns-1: 403 no"
    assert set(caplog.messages) == {text}
    assert len(caplog.messages) == 5


def test_a_namespace_that_goes_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    """The API server refuses writes in it, and no user has to act."""

    async def scenario() -> None:
        leader = Leader()
        message = "unable to create new content in namespace ns-0 because it is being terminated"
        leader.writer.fault = lambda event: ApiError(403, message)
        await asyncio.sleep(100)
        await leader.end()
        assert len(leader.writer.tries) == 2

    with caplog.at_level(logging.WARNING):
        virtual_time.run(scenario())
    assert caplog.messages == []


def test_an_event_that_is_refused_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    """A policy of the cluster may dislike one of them."""

    async def scenario() -> None:
        leader = Leader(2)
        leader.writer.fault = lambda event: ApiError(422, "no such") if event.pod == "web-0" else None
        await asyncio.sleep(59)
        await leader.end()
        assert len(leader.writer.written) == 4

    with caplog.at_level(logging.WARNING):
        virtual_time.run(scenario())
    assert caplog.messages == [
        "Kubernetes Events: the Event ImagePullProgress of pod ns-0/web-0 was refused: 422 no such"
    ]


def test_an_unexpected_error_does_not_end_the_leaders_work(caplog: pytest.LogCaptureFixture) -> None:
    """Events help; the rest goes on without them, and after a minute they do as well."""

    async def scenario() -> None:
        leader = Leader()
        leader.writer.fault = lambda event: KeyError("oops")
        await asyncio.sleep(69)
        assert len(leader.writer.tries) == 1
        leader.writer.fault = lambda event: None
        await asyncio.sleep(20)
        assert leader.writer.written
        await leader.end()

    with caplog.at_level(logging.ERROR):
        virtual_time.run(scenario())
    assert "unexpected error" in caplog.messages[0]
