"""What is counted, and that Prometheus can read it. How it is served is in tests/server."""

from __future__ import annotations

import re

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from pulltrace import __version__
from pulltrace.aggregator.cluster import Cluster
from pulltrace.aggregator.metrics import Metrics
from pulltrace.aggregator.store import PullStore
from pulltrace.kube.leases import LeaseRecord, Put
from pulltrace.pulls.model import Phase
from tests.aggregator.records import START, Writer, ended, pull


class Counted:
    """An aggregator's parts, whose Leases are counted as they come."""

    def __init__(self) -> None:
        self.store = PullStore()
        self.cluster = Cluster(self.store, 600)
        self.metrics = Metrics(self.store, self.cluster, lambda: 7)
        self.writer = Writer()

    def lease(self, record: LeaseRecord) -> None:
        self.metrics.count(self.cluster.lease_event(Put(record), 0))

    def __getitem__(self, name: str) -> float:
        value = self.metrics.registry.get_sample_value(name)
        assert value is not None, name
        return value


@pytest.fixture
def counted() -> Counted:
    """Nothing has been counted yet."""
    return Counted()


def test_a_pull_is_counted_once(counted: Counted) -> None:
    """However often it is reported, a pull is one pull."""
    for downloaded_bytes in (100, 200, 300):
        counted.lease(counted.writer.lease(pull(downloaded_bytes=downloaded_bytes)))
    counted.lease(counted.writer.lease(recent=(ended(),)))
    counted.lease(counted.writer.lease(recent=(ended(),)))

    assert counted["pulltrace_pulls_total"] == 1
    assert counted["pulltrace_pull_duration_seconds_count"] == 1


def test_bytes_are_counted_as_they_come(counted: Counted) -> None:
    """The counter grows by what has been downloaded since, and never goes back."""
    for downloaded_bytes in (100, 300, 50, 50):
        counted.lease(counted.writer.lease(pull(downloaded_bytes=downloaded_bytes)))

    assert counted["pulltrace_pull_bytes_total"] == 300


def test_a_completed_pull_has_a_duration(counted: Counted) -> None:
    """From the request to the image's record, by the clock of the node."""
    counted.lease(counted.writer.lease(recent=(ended(ended_at=START + 45),)))

    assert counted["pulltrace_pull_duration_seconds_sum"] == 45


def test_a_failed_pull_is_an_error_without_a_duration(counted: Counted) -> None:
    """Failures are counted apart, once, and do not make pulls look fast."""
    counted.lease(counted.writer.lease(pull()))
    for _ in range(2):
        counted.lease(counted.writer.lease(recent=(ended(phase=Phase.FAILED),)))

    assert counted["pulltrace_pull_errors_total"] == 1
    assert counted["pulltrace_pull_duration_seconds_count"] == 0


def test_an_unknown_end_is_neither(counted: Counted) -> None:
    """A pull that nobody saw end is no error and has no duration."""
    counted.lease(counted.writer.lease(pull()))
    counted.lease(counted.writer.lease())

    assert counted["pulltrace_pull_errors_total"] == counted["pulltrace_pull_duration_seconds_count"] == 0


def test_a_row_that_runs_out_is_not_counted(counted: Counted) -> None:
    """The end of a history is no event."""
    counted.lease(counted.writer.lease(recent=(ended(),)))
    counted.metrics.count(counted.cluster.tick(10_000))

    assert counted["pulltrace_pulls_total"] == 1


def test_what_is_true_now_is_read_when_it_is_asked_for(counted: Counted) -> None:
    """Gauges and the counters of the cluster need no events."""
    counted.cluster.lease_event(Put(counted.writer.lease(pull(1), pull(2), recent=(ended(3),))), 0)
    counted.cluster.lease_event(Put(counted.writer.lease(node="node-2", junk="junk")), 0)

    assert counted["pulltrace_pulls_active"] == 2
    assert counted["pulltrace_sse_clients_active"] == 7
    assert counted["pulltrace_agent_reports_total"] == 2
    assert counted["pulltrace_lease_decode_errors_total"] == 1
    assert counted.metrics.registry.get_sample_value("pulltrace_build_info", {"version": __version__}) == 1


def test_names_are_those_of_version_0_1(counted: Counted) -> None:
    """Dashboards that people have go on working."""
    text = generate_latest(counted.metrics.registry).decode()
    families = {family.name: family.type for family in text_string_to_metric_families(text)}

    assert (
        families.items()
        >= {
            "pulltrace_pulls_active": "gauge",
            "pulltrace_pulls": "counter",
            "pulltrace_pull_duration_seconds": "histogram",
            "pulltrace_pull_bytes": "counter",
            "pulltrace_pull_errors": "counter",
            "pulltrace_agent_reports": "counter",
            "pulltrace_sse_clients_active": "gauge",
        }.items()
    )


def test_names_follow_the_rules_of_prometheus(counted: Counted) -> None:
    """What `promtool check metrics` asks: help for each, counters and only they end in _total, base units."""
    for family in counted.metrics.registry.collect():
        assert re.fullmatch(r"pulltrace_[a-z_]+", family.name)
        assert family.documentation
        assert not family.name.endswith(("_total", "_count", "_sum", "_bucket", "_counter", "_gauge"))
        assert not re.search(r"_(ms|milliseconds|minutes|kb|mb|mib|kilobytes|percent)(_|$)", family.name)
        totals = [sample.name for sample in family.samples if sample.name.endswith("_total")]
        assert bool(totals) is (family.type == "counter")


def test_no_label_is_named_by_users(counted: Counted) -> None:
    """Image, pod and node names would be series without end."""
    counted.lease(counted.writer.lease(pull(), recent=(ended(2),)))
    labels = {
        label for family in counted.metrics.registry.collect() for sample in family.samples for label in sample.labels
    }

    assert labels == {"le", "version"}
