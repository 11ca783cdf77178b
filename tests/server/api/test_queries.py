"""Queries of `GET /api/v1/pulls`: order, filters and refusals."""

from __future__ import annotations

from typing import Any

import pytest
from falcon.testing import TestClient

from pulltrace.pulls.model import Phase
from pulltrace.pulls.view import PullView, WaitingContainer
from pulltrace.server.app import create_app
from tests.builders.views import NOW, POD, STARTED, pull_view
from tests.fakes.pull_source import FakePullSource

OLD = pull_view("00000000000a", started_at=STARTED - 60, node="node-1", waiting=(POD,))
NEW = pull_view("00000000000b", started_at=STARTED, node="node-2", image="ghcr.io/acme/api:7", phase=Phase.UNPACKING)
UNNAMED = pull_view(
    "00000000000c",
    started_at=STARTED + 1,
    node="node-3",
    image=None,
    candidates=("redis:7", "redis:8"),
    waiting=(WaitingContainer("cache", "redis-0", "redis", "redis:8"),),
)
ENDED = pull_view("00000000000d", Phase.COMPLETED, ended_at=NOW - 60, node="node-2")
JUST_ENDED = pull_view("00000000000e", Phase.FAILED, ended_at=NOW, node="node-1", image="ghcr.io/acme/api:8")


def client(*views: PullView, synced: bool = True) -> TestClient:
    return TestClient(create_app(FakePullSource(*views, synced=synced), clock=lambda: NOW))


def ids(found: Any) -> str:
    return "".join(pull["id"][-1] for pull in found.json["pulls"])


def test_nothing_yet() -> None:
    """Before the first list of Leases is in, the answer is empty and says so."""
    answer = client(synced=False).simulate_get("/api/v1/pulls")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.text == '{"schemaVersion":"v1","timestamp":"2026-11-23T15:04:05.678Z","synced":false,"pulls":[]}'


def test_order() -> None:
    """Running pulls come first, the oldest of them at the top; then ended ones, the newest first."""
    answer = client(ENDED, NEW, JUST_ENDED, UNNAMED, OLD).simulate_get("/api/v1/pulls")

    assert ids(answer) == "abced"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("node=node-1", "ae"),
        ("node=node-1&node=node-3", "ace"),
        ("namespace=shop", "a"),
        ("image=acme/api", "be"),
        ("image=redis:8", "c"),
        ("phase=failed&phase=completed", "ed"),
        ("phase=failed&node=node-2", ""),
        ("image=NGINX", ""),
    ],
)
def test_filters(query: str, expected: str) -> None:
    """Several values of a parameter are alternatives; several parameters must all fit."""
    answer = client(OLD, NEW, UNNAMED, ENDED, JUST_ENDED).simulate_get("/api/v1/pulls", query_string=query)

    assert expected == ids(answer)


def test_unknown_parameter_is_refused() -> None:
    """A misspelled parameter is not ignored: the answer names it, and those that there are."""
    answer = client().simulate_get("/api/v1/pulls", query_string="nodename=x")

    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json == {
        "type": "about:blank",
        "title": "Bad query parameter",
        "status": 400,
        "detail": "There is no parameter 'nodename': there is node, namespace, workload, image, phase, limit, cursor.",
        "parameter": "nodename",
        "value": "x",
        "allowed": ["node", "namespace", "workload", "image", "phase", "limit", "cursor"],
    }


def test_unknown_value_is_refused() -> None:
    """A value that a parameter cannot have is not ignored: the answer names it, and those that it can have."""
    answer = client().simulate_get("/api/v1/pulls", query_string="phase=done")

    assert answer.status_code == 400
    assert (answer.json["parameter"], answer.json["value"]) == ("phase", "done")
    assert answer.json["allowed"] == [phase.value for phase in Phase]


def test_empty_value_is_refused() -> None:
    """`node=` asks for nothing that exists."""
    assert client().simulate_get("/api/v1/pulls", query_string="node=").status_code == 400


def test_long_values_do_not_come_back() -> None:
    """The answer repeats only the first characters of a client's value."""
    answer = client().simulate_get("/api/v1/pulls", query_string=f"phase={'x' * 5000}")

    assert answer.json["value"] == "x" * 100
    assert len(answer.text) < 1000


def test_too_many_parameters_are_refused() -> None:
    """A query of a thousand fields is not even split."""
    answer = client().simulate_get("/api/v1/pulls", query_string="&".join(["node=a"] * 1000))

    assert (answer.status_code, answer.json["title"]) == (400, "Bad query string")


def test_too_many_values_are_refused() -> None:
    """One parameter takes a bounded number of values."""
    answer = client().simulate_get("/api/v1/pulls", query_string="&".join(["node=a"] * 17))

    assert (answer.status_code, answer.json["detail"]) == (400, "node is given 17 times, which is more than 16.")


def test_method_is_refused() -> None:
    """The API is for reading; the answer says which methods there are."""
    answer = client().simulate_post("/api/v1/pulls")

    assert (answer.status_code, answer.json["title"]) == (405, "Method Not Allowed")
    assert "GET" in answer.headers["allow"]


def test_changed_row_is_written_anew() -> None:
    """Rows are encoded once, and again when they change; rows that are gone are forgotten."""
    source = FakePullSource(OLD)
    reader = TestClient(create_app(source))
    assert reader.simulate_get("/api/v1/pulls").json["pulls"][0]["downloadedBytes"] == 0

    source.put(pull_view(OLD.id, downloaded_bytes=5))
    assert reader.simulate_get("/api/v1/pulls").json["pulls"][0]["downloadedBytes"] == 5

    source.remove(OLD.id)
    assert reader.simulate_get("/api/v1/pulls").json["pulls"] == []
