"""Leases: any account with the right may write them; the aggregator and a restarted agent read them."""

from __future__ import annotations

from dataclasses import replace

import orjson

from pulltrace.aggregator.state.cluster_state import ClusterState
from pulltrace.aggregator.state.store import PullStore
from pulltrace.kube.errors import ApiUnreachable
from pulltrace.kube.resources.leases import LeaseRecord, is_own_annotation, response_record
from pulltrace.kube.watch.watch_events import Deleted, Replaced, Upserted
from pulltrace.pulls import report_interval
from pulltrace.pulls.lease_format.annotations import (
    LIMIT_BYTES,
    MAX_ERROR,
    MAX_PULLS,
    NODE,
    PULL_PREFIX,
    decode,
    encode,
)
from pulltrace.pulls.model import NodeReport
from pulltrace.pulls.view import Row
from pulltrace.server.json import serializers
from tests.aggregator import hostile_leases
from tests.builders.leases import LeaseWriter
from tests.builders.pods import pod
from tests.builders.pulls import pull
from tests.fuzz.properties import honest, is_count, is_line, is_pull, json_of

PROBLEM_CHARACTERS = 400
SAMPLES = [
    orjson.dumps(hostile_leases.lease("node-2", annotations))
    for annotations in hostile_leases.ANNOTATIONS.values()
    if sum(map(len, annotations.values())) < hostile_leases.CROWD_BYTES
]


def check(data: bytes) -> None:
    """Read a Lease, or raise `ApiUnreachable`; only values that the contract allows are used, unused ones are named and
    counted, used ones can be written again, and the other nodes are shown as before.
    """
    raw = json_of(data)
    try:
        record = response_record(raw)
    except ApiUnreachable:
        return
    is_record(record)
    report = decode(record.annotations)
    is_report(report)
    _can_be_written(report)
    report_interval.interval_seconds(record.annotations)
    if record.name != "node-1":
        _is_shown_beside_another(record, report)


def is_record(record: LeaseRecord) -> None:
    """Check that every field has its declared type."""
    assert isinstance(record.name, str)
    assert all(type(value) is str and is_own_annotation(key) for key, value in record.annotations.items())
    assert record.holder is None or isinstance(record.holder, str)
    assert record.renewed_at is None or isinstance(record.renewed_at, float)
    if record.duration_seconds is not None:
        assert type(record.duration_seconds) is int
        assert record.duration_seconds > 0
    assert isinstance(record.version, str)


def is_report(report: NodeReport) -> None:
    assert len(report.pulls) <= MAX_PULLS
    assert len(report.recent) <= MAX_PULLS
    for each in report.pulls:
        is_pull(each)
        assert not each.phase.ended
    for each in report.recent:
        is_pull(each)
        assert each.phase.ended
        assert each.ended_at is not None
    is_count(report.omitted_pulls)
    is_count(report.refused_writes)
    is_count(report.failed_polls)
    if report.error is not None:
        assert honest(report.error)
        assert len(report.error) <= MAX_ERROR
    for problem in report.problems:
        is_line(problem, PROBLEM_CHARACTERS)


def _can_be_written(report: NodeReport) -> None:
    """Check that an accepted report is within bounds when written again, readable, and stable from then on."""
    annotations = encode(report)
    assert sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) <= LIMIT_BYTES
    read = decode(annotations)
    assert read.problems == ()
    ids = {each.id for each in report.pulls}
    assert len({each.id for each in read.pulls}) + read.omitted_pulls == len(report.pulls) or len(ids) < len(
        report.pulls
    )
    again = encode(read)
    assert {key: value for key, value in again.items() if key.startswith(PULL_PREFIX)} == {
        key: value for key, value in annotations.items() if key.startswith(PULL_PREFIX)
    }
    assert decode({**again, NODE: annotations[NODE]}) == read


def _is_shown_beside_another(record: LeaseRecord, report: NodeReport) -> None:
    store, writer = PullStore(), LeaseWriter()
    cluster = ClusterState(store, 1800.0)
    cluster.lease_event(Replaced((writer.lease(pull()),)), 0)
    cluster.pod_event(Replaced((pod("web", "nginx:1.29"), replace(pod("far", "nginx:1.29"), node=record.name))), 0)
    before = [row for row in store.snapshot().pulls.values() if row.node == "node-1"]
    cluster.lease_event(Upserted(record), 1)
    assert cluster.problems == len(report.problems)
    for now in (2.0, 100.0):
        cluster.tick(now)
        snapshot = store.snapshot()
        rows: list[Row] = [*snapshot.pulls.values(), *snapshot.pods.values()]
        for row in rows:
            assert json_of(serializers.encode(row, 0.0)) is not None
        if now < 40:
            assert [row for row in snapshot.pulls.values() if row.node == "node-1"] == before
    cluster.lease_event(Deleted(record.name), 101)
