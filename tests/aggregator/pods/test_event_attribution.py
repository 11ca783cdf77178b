"""Which Events count for which pod."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pulltrace.aggregator.pods.event_attribution import CLOCK_SKEW_SECONDS, is_credible, is_possible, names_pod
from tests.builders.events import kubelet_event
from tests.builders.pods import pod
from tests.builders.pulls import START

WEB = replace(pod("web", "nginx:1", started_at=START), created_at=START)
EVENT = kubelet_event("web", "nginx:1", START + 5)


def test_the_event_of_a_pod_counts() -> None:
    """It has its namespace, name, UID and node."""
    assert names_pod(EVENT, WEB)
    assert is_credible(EVENT, WEB)


@pytest.mark.parametrize(
    "other", [{"namespace": "evil"}, {"pod": "web-2"}, {"pod_uid": "uid-of-another"}, {"pod_uid": ""}]
)
def test_an_event_is_about_the_one_pod_that_it_names(other: dict[str, Any]) -> None:
    """Each of namespace, name and UID has to be the pod's."""
    assert not names_pod(replace(EVENT, **other), WEB)


def test_a_static_pod_is_named_by_its_hash() -> None:
    """Its kubelet knows no other UID; the hash of no pod is no UID of every pod."""
    static = replace(WEB, config_hash="abc")

    assert names_pod(replace(EVENT, pod_uid="abc"), static)
    assert names_pod(EVENT, static)
    assert not names_pod(replace(EVENT, pod_uid="abc"), WEB)


@pytest.mark.parametrize("node", ["node-2", None, ""])
def test_an_event_comes_from_the_node_of_the_pod(node: str | None) -> None:
    """An Event of another kubelet, or without a node, does not count."""
    assert not is_credible(replace(EVENT, node=node), WEB)
    assert not is_credible(replace(EVENT, node=node), replace(WEB, node=""))


@pytest.mark.parametrize(
    ("started_at", "at", "counted"),
    [
        (START, START - 1, True),  # times are cut to the second
        (START, START - 3, False),
        (None, START - 600, True),  # the clocks of node and API server are ten minutes apart
        (None, START - CLOCK_SKEW_SECONDS - 1, False),
        (START - 600, START - 600, True),
    ],
)
def test_an_event_is_not_older_than_its_pod(*, started_at: float | None, at: float, counted: bool) -> None:
    """By the node's clock if the pod has a start, else by the API server's, with a margin."""
    assert is_credible(replace(EVENT, at=at), replace(WEB, started_at=started_at)) is counted


def test_an_event_of_a_pod_without_times_counts() -> None:
    """Nothing is known against it."""
    assert is_credible(replace(EVENT, at=0), replace(WEB, started_at=None, created_at=None))


@pytest.mark.parametrize(
    ("clocks", "possible"),
    [
        ((START,), True),
        ((START - 600, None), True),
        ((START - 3600, START), True),  # the node's clock is an hour ahead: its own time decides
        ((START, START - 3600), True),
        ((START - 3600, START - 3600), False),
        ((START - 3600, None), False),
    ],
)
def test_an_event_is_not_from_the_future(*, clocks: tuple[float | None, ...], possible: bool) -> None:
    """One clock that allows it is enough."""
    assert is_possible(EVENT, *clocks) is possible
