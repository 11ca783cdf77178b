"""Pods, workloads and nodes as documents; pages and ETags of all lists."""

from __future__ import annotations

from typing import Any

import pytest
from falcon.testing import TestClient

from pulltrace.pulls import thresholds
from pulltrace.pulls.failures import Failure, Reason, advice
from pulltrace.pulls.model import Phase
from pulltrace.pulls.view import Ahead, ImageNeed, NeedState, PodState, Row, Workload
from pulltrace.server.app import create_app
from pulltrace.server.json.row_cache import SPARE_ROWS
from tests.builders.views import MONOTONIC, NOW, POD, STARTED, estimated_pod, node_view, pull_view
from tests.fakes.pull_source import FakePullSource

HEAD = {"schemaVersion": "v1", "timestamp": "2026-11-23T15:04:05.678Z", "synced": True}
WEB = {"namespace": "shop", "kind": "Deployment", "name": "web"}
FAILURE = Failure(Reason.NOT_FOUND, "manifest unknown", tries=3, retry_at=MONOTONIC + 40)


NODES = (
    node_view(reported_at=MONOTONIC - 2.34, bytes_per_second=1e6 + 0.4, pulling=1, queued=2),
    node_view(
        "node-2", reported_at=MONOTONIC - 90, stale=True, failing=1, parallel=True, error="containerd does not answer"
    ),
)


def client(*rows: Row) -> TestClient:
    return client_of(FakePullSource(*rows))


def client_of(source: FakePullSource) -> TestClient:
    return TestClient(create_app(source, nodes=lambda: NODES, clock=lambda: NOW, monotonic=lambda: MONOTONIC))


def get(reader: TestClient, path: str) -> Any:
    answer = reader.simulate_get(path)
    assert answer.status_code == 200, answer.text
    return answer.json


def test_pod_has_all_fields() -> None:
    """A pod has its images, and each image the ones ahead of it and its failure."""
    needs = (
        ImageNeed("init", "init", "acme/tool:1", NeedState.FAILED, failure=FAILURE),
        ImageNeed("web", "main", "nginx:1.29", NeedState.QUEUED, behind=(Ahead("redis:8", "00000000000a"), Ahead("x"))),
    )
    [written] = get(client(estimated_pod(needs=needs, state=PodState.FAILING)), "/api/v1/pods")["pods"]

    assert written == {
        "namespace": "shop",
        "podName": "web-1",
        "uid": "uid-web-1",
        "nodeName": "node-1",
        "workload": WEB,
        "state": "failing",
        "waitingSince": "2026-11-23T15:04:00.000Z",
        "estimatedAt": "2026-11-23T15:04:04.678Z",
        "etaSeconds": 20,
        "etaRangeSeconds": [12, 31],
        "readyAt": "2026-11-23T15:04:24.678Z",
        "images": [
            {
                "container": "init", "role": "init", "image": "acme/tool:1", "state": "failed", "behind": [],
                "failure": {
                    "reason": "not_found", "message": "manifest unknown", "advice": advice(Reason.NOT_FOUND), "tries": 3,
                    "retryAt": "2026-11-23T15:04:45.678Z",
                },
            },
            {
                "container": "web", "role": "main", "image": "nginx:1.29", "state": "queued",
                "behind": [{"image": "redis:8", "pullId": "00000000000a"}, {"image": "x"}],
            },
        ],
    }  # fmt: skip


def test_pod_that_is_ready() -> None:
    """A ready pod has the time of its end and no estimate."""
    [written] = get(client(estimated_pod(state=PodState.READY)), "/api/v1/pods")["pods"]

    assert written["endedAt"] == "2026-11-23T15:04:04.678Z"
    assert not {"etaSeconds", "etaRangeSeconds", "readyAt"} & written.keys()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["b", "a", "d", "c"]),
        ("?node=node-2", ["b"]),
        ("?namespace=shop&state=ready&state=gone", ["d", "c"]),
        ("?namespace=other", []),
        ("?workload=shop/deployment/web", ["a", "d", "c"]),
        ("?workload=shop/Pod/b", ["b"]),
        ("?image=nginx", ["b", "a"]),
    ],
)
def test_pods_in_order_and_filtered(query: str, expected: list[str]) -> None:
    """Waiting pods first, the oldest at the top, then the others, the newest first; kinds in any spelling."""
    found = client(
        estimated_pod("a"),
        estimated_pod("b", node="node-2", waiting_since=STARTED - 5, workload=Workload("shop", "Pod", "b")),
        estimated_pod("c", PodState.READY, ended_at=MONOTONIC - 50),
        estimated_pod("d", PodState.GONE),
        pull_view(),
    )

    assert [each["podName"] for each in get(found, f"/api/v1/pods{query}")["pods"]] == expected


def test_one_pod_and_one_pull() -> None:
    """One row alone stands under its name."""
    both = client(estimated_pod(), pull_view())

    assert get(both, "/api/v1/pods/shop/web-1")["pod"]["uid"] == "uid-web-1"
    one = get(both, "/api/v1/pulls/0123456789ab")
    assert one["pull"]["id"] == "0123456789ab"
    assert {key: one[key] for key in HEAD} == HEAD


@pytest.mark.parametrize(
    ("path", "title"), [("/api/v1/pods/shop/web-2", "No such pod"), ("/api/v1/pulls/0", "No such pull")]
)
def test_absent_row(path: str, title: str) -> None:
    """An absent row is a problem document with status 404."""
    answer = client(estimated_pod(), pull_view()).simulate_get(path)

    assert (answer.status_code, answer.json["title"]) == (404, title)


def test_pull_of_a_workload() -> None:
    """A query finds pulls by the pods that wait for them; the row has its failure and whether it reached containerd."""
    owned = WEB | {}
    waiting = (type(POD)("shop", "web-1", "nginx", "nginx:1.29", Workload(**owned)),)
    failed = pull_view(phase=Phase.FAILED, waiting=waiting, failure=FAILURE, reached_containerd=False)
    rows = client(failed, pull_view("00000000000b", waiting=(POD,)))

    [written] = get(rows, "/api/v1/pulls?workload=shop/Deployment/web")["pulls"]
    assert written["pods"][0]["workload"] == WEB
    assert (written["error"], written["failure"]["tries"]) == ("manifest unknown", 3)
    assert written["reachedContainerd"] is False


@pytest.mark.parametrize("workload", ["web", "shop/web", "shop/Deployment/", "a/b/c/d"])
def test_workload_is_written_in_three_parts(workload: str) -> None:
    """A workload that cannot be one is refused with the form that it has."""
    answer = client().simulate_get("/api/v1/pulls", params={"workload": workload})

    assert answer.status_code == 400
    assert "NAMESPACE/KIND/NAME, such as shop/Deployment/web" in answer.json["detail"]


def test_workloads() -> None:
    """A workload is the sum of its pods."""
    pods = [estimated_pod(), estimated_pod("web-2", PodState.READY), estimated_pod("web-3", PodState.GONE)]
    [written] = get(client(*pods), "/api/v1/workloads?namespace=shop")["workloads"]

    assert written == {
        "workload": WEB,
        "pods": 2,
        "ready": 1,
        "failing": 0,
        "images": ["nginx:1.29"],
        "etaSeconds": 19,
        "etaRangeSeconds": [11, 30],
        "readyAt": "2026-11-23T15:04:24.678Z",
        "slowestNode": "node-1",
    }


def test_nodes() -> None:
    """Each node has the age of its last report and the number of its pulls."""
    assert get(client(), "/api/v1/nodes") == HEAD | {
        "nodes": [
            {
                "nodeName": "node-1", "lastReportSeconds": 2.3, "stale": False, "bytesPerSec": 1000000,
                "pulling": 1, "queued": 2, "failing": 0, "parallel": False,
            },
            {
                "nodeName": "node-2", "lastReportSeconds": 90.0, "stale": True, "bytesPerSec": 0,
                "pulling": 0, "queued": 0, "failing": 1, "parallel": True, "trouble": "containerd does not answer",
            },
        ]
    }  # fmt: skip
    assert [node["nodeName"] for node in get(client(), "/api/v1/nodes?node=node-2")["nodes"]] == ["node-2"]


def test_no_nodes() -> None:
    """Without a source of nodes there are none."""
    assert get(TestClient(create_app(FakePullSource())), "/api/v1/nodes")["nodes"] == []


def test_thresholds() -> None:
    """The page gets the limits of `pulls.thresholds`, and the retention time of this process."""
    reader = TestClient(create_app(FakePullSource(), clock=lambda: NOW, retention_seconds=60.0))

    assert get(reader, "/api/v1/thresholds") == {
        "schemaVersion": "v1",
        "timestamp": HEAD["timestamp"],
        "stalledSeconds": thresholds.STALLED_SECONDS,
        "slowShare": thresholds.SLOW_SHARE,
        "longSeconds": thresholds.LONG_SECONDS,
        "extrapolatedSeconds": thresholds.EXTRAPOLATED_SECONDS,
        "retentionSeconds": 60.0,
    }
    assert reader.simulate_get("/api/v1/thresholds?node=a").status_code == 400


def test_pages() -> None:
    """Page after page gives every row once, in order, though rows come and go meanwhile."""
    rows = [pull_view(f"{number:012x}", started_at=STARTED + number) for number in range(7)]
    rows.append(pull_view("00000000000e", Phase.COMPLETED))
    source = FakePullSource(*rows)
    reader = client_of(source)
    first = get(reader, "/api/v1/pulls?limit=3")
    source.remove(rows[2].id)
    second = get(reader, f"/api/v1/pulls?limit=3&cursor={first['nextCursor']}")
    source.put(pull_view("00000000000f", started_at=STARTED - 1))
    third = get(reader, f"/api/v1/pulls?limit=3&cursor={second['nextCursor']}")

    shown = [pull["id"][-1] for part in (first, second, third) for pull in part["pulls"]]
    assert "".join(shown) == "0123456e"
    assert "nextCursor" not in third


@pytest.mark.parametrize("limit", ["0", "5001", "-1", "1.5", "many", "٣", "99999999999"])
def test_bad_limit(limit: str) -> None:
    """A limit is a whole number from 1 to 5000."""
    answer = client().simulate_get("/api/v1/pods", params={"limit": limit})

    assert (answer.status_code, answer.json["detail"]) == (400, "limit is a whole number from 1 to 5000.")


@pytest.mark.parametrize("cursor", ["x", "W10", "WzEsMiwzXQ", "%00", "é", "a" * 1000])
def test_bad_cursor(cursor: str) -> None:
    """A cursor that no answer gave is refused."""
    answer = client().simulate_get("/api/v1/pulls", params={"cursor": cursor})

    assert (answer.status_code, answer.json["parameter"]) == (400, "cursor")


@pytest.mark.parametrize("path", ["/api/v1/pulls?node=node-1", "/api/v1/pods"])
def test_unchanged_list_is_not_sent_again(path: str) -> None:
    """A request with the ETag of the last answer gets 304 until a row changes."""
    source = FakePullSource(pull_view(), estimated_pod())
    reader = client_of(source)
    first = reader.simulate_get(path)
    etag = first.headers["etag"]
    assert etag.startswith('W/"')
    assert first.headers["cache-control"] == "no-cache"

    again = reader.simulate_get(path, headers={"If-None-Match": f'"x", {etag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)

    source.put(pull_view(downloaded_bytes=1))
    changed = reader.simulate_get(path, headers={"If-None-Match": etag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != etag


def test_rows_that_are_asked_for_one_by_one_are_forgotten() -> None:
    """The cache drops their texts although no stream and no list is open."""
    source = FakePullSource()
    app = create_app(source)
    client = TestClient(app)
    for number in range(2 * SPARE_ROWS):
        row = pull_view(f"{number:012x}")
        source.put(row)
        assert client.simulate_get(f"/api/v1/pulls/{row.id}").status_code == 200
        source.remove(row.id)

    assert len(app._responder.row_cache._by_id) <= 1 + SPARE_ROWS
