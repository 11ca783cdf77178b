"""Leases: written by whoever may write Leases, read by the aggregator and, after a restart, by the agent."""

from __future__ import annotations

from dataclasses import replace

import orjson

from pulltrace.aggregator.state.cluster_state import ClusterState
from pulltrace.aggregator.state.store import PullStore
from pulltrace.kube.errors import ApiUnreachable
from pulltrace.kube.resources.lease_store import _answered
from pulltrace.kube.resources.leases import LeaseRecord, is_ours
from pulltrace.kube.watch.watch_events import Gone, Listed, Put
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
    """A Lease is read or is `ApiUnreachable`; of what it says, only what the contract allows gets further, what is not
    used is named and counted, what is used can be written again, and the other nodes are shown as before.
    """
    raw = json_of(data)
    try:
        record = _answered(raw)
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
    """Every field has the type that it says."""
    assert isinstance(record.name, str)
    assert all(type(value) is str and is_ours(key) for key, value in record.annotations.items())
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
    """What was believed is in bounds when it is written again, read without a problem, and stays as it is from then on."""
    told = encode(report)
    assert sum(len(key.encode()) + len(value.encode()) for key, value in told.items()) <= LIMIT_BYTES
    read = decode(told)
    assert read.problems == ()
    ids = {each.id for each in report.pulls}
    assert len({each.id for each in read.pulls}) + read.omitted_pulls == len(report.pulls) or len(ids) < len(
        report.pulls
    )
    again = encode(read)
    assert {key: value for key, value in again.items() if key.startswith(PULL_PREFIX)} == {
        key: value for key, value in told.items() if key.startswith(PULL_PREFIX)
    }
    assert decode({**again, NODE: told[NODE]}) == read


def _is_shown_beside_another(record: LeaseRecord, report: NodeReport) -> None:
    store, writer = PullStore(), LeaseWriter()
    cluster = ClusterState(store, 1800.0)
    cluster.lease_event(Listed((writer.lease(pull()),)), 0)
    cluster.pod_event(Listed((pod("web", "nginx:1.29"), replace(pod("far", "nginx:1.29"), node=record.name))), 0)
    before = [row for row in store.snapshot().pulls.values() if row.node == "node-1"]
    cluster.lease_event(Put(record), 1)
    assert cluster.problems == len(report.problems)
    for now in (2.0, 100.0):
        cluster.tick(now)
        snapshot = store.snapshot()
        rows: list[Row] = [*snapshot.pulls.values(), *snapshot.pods.values()]
        for row in rows:
            assert json_of(serializers.encode(row, 0.0)) is not None
        if now < 40:
            assert [row for row in snapshot.pulls.values() if row.node == "node-1"] == before
    cluster.lease_event(Gone(record.name), 101)
