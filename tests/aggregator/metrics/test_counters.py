"""Counters of the leader, in a form that Prometheus reads. Serving them is in tests/server."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from pulltrace import __version__
from pulltrace.aggregator.metrics.counters import REASON_SECONDS, sample_registry
from pulltrace.aggregator.metrics.metric_labels import MAX_NAMESPACES, MAX_REGISTRIES
from pulltrace.kube.watch.watch_events import Replaced
from pulltrace.pulls.failures import Failure, Reason
from pulltrace.pulls.model import Phase
from pulltrace.pulls.time_left import TimeLeft
from pulltrace.pulls.view import PodState
from tests.aggregator.metered import NODES, PULLS, MeteredAggregator, fill_cluster
from tests.builders.pulls import START, ended, pull
from tests.builders.views import running_view, time_left, waiting_pod


@pytest.fixture
def counted() -> MeteredAggregator:
    """Nothing has been counted yet."""
    return MeteredAggregator()


def test_a_pull_is_counted_once(counted: MeteredAggregator) -> None:
    """However often it is reported, a pull is one pull."""
    for downloaded_bytes in (100, 200, 300):
        counted.lease(counted.writer.lease(pull(downloaded_bytes=downloaded_bytes)))
    counted.lease(counted.writer.lease(recent=(ended(),)))
    counted.lease(counted.writer.lease(recent=(ended(),)))

    assert counted["pulltrace_pulls_total"] == 1
    assert counted["pulltrace_pull_duration_seconds_count"] == 1


def test_bytes_are_counted_as_they_come(counted: MeteredAggregator) -> None:
    """The counters grow by what has been downloaded since, and never go back; what was there before is counted apart."""
    for downloaded_bytes in (100, 300, 50, 50):
        counted.lease(counted.writer.lease(pull(downloaded_bytes=downloaded_bytes, cached_bytes=7)))

    assert counted["pulltrace_pull_bytes_total"] == 300
    assert counted.value("pulltrace_downloaded_bytes_total", registry="docker.io") == 300
    assert counted["pulltrace_cached_bytes_total"] == 7


def test_a_completed_pull_has_a_duration(counted: MeteredAggregator) -> None:
    """From the request to the image's record, by the clock of the node."""
    counted.lease(counted.writer.lease(recent=(ended(ended_at=START + 45),)))

    assert counted["pulltrace_pull_duration_seconds_sum"] == 45


def test_a_failed_pull_is_an_error_without_a_duration(counted: MeteredAggregator) -> None:
    """Failures are counted apart, once, and do not make pulls look fast."""
    counted.lease(counted.writer.lease(pull()))
    for _ in range(2):
        counted.lease(counted.writer.lease(recent=(ended(phase=Phase.FAILED),)))

    assert counted["pulltrace_pull_errors_total"] == 1
    assert counted["pulltrace_pull_duration_seconds_count"] == 0


def test_an_unknown_end_is_neither(counted: MeteredAggregator) -> None:
    """A pull with an unknown end is no error and has no duration."""
    counted.lease(counted.writer.lease(pull()))
    counted.lease(counted.writer.lease())

    assert counted["pulltrace_pull_errors_total"] == counted["pulltrace_pull_duration_seconds_count"] == 0


def test_a_row_that_runs_out_is_not_counted(counted: MeteredAggregator) -> None:
    """The end of a history is no event."""
    counted.lease(counted.writer.lease(recent=(ended(),)))
    counted.cluster.tick(10_000)

    assert counted["pulltrace_pulls_total"] == 1


def test_what_the_first_list_tells_is_not_counted(counted: MeteredAggregator) -> None:
    """It was counted by the last leader, or happened without a leader."""
    records = (counted.writer.lease(pull(1), recent=(ended(2),)),)
    counted.cluster.lease_event(Replaced(records), 0)
    assert counted["pulltrace_pulls_total"] == counted["pulltrace_agent_reports_total"] == 0

    counted.lease(counted.writer.lease(recent=(ended(1), ended(2))))

    assert counted["pulltrace_pulls_total"] == 0
    assert counted["pulltrace_pull_duration_seconds_count"] == counted["pulltrace_agent_reports_total"] == 1


def test_a_failure_is_counted_once_the_kubelet_reports_its_reason(counted: MeteredAggregator) -> None:
    """The reason comes a moment after the end; it is waited for, and counted once."""
    failed = running_view(phase=Phase.FAILED)
    explained = replace(failed, failure=Failure(Reason.NOT_FOUND, "not found"))
    counted.rows(running_view())
    counted.rows(failed)
    assert counted.value("pulltrace_pull_failures_total", reason="not_found", registry="docker.io") is None

    counted.rows(explained, after=3)
    counted.rows(replace(explained, failure=Failure(Reason.NOT_FOUND, "not found", tries=2)), after=3)
    counted.rows(after=1000)

    assert counted.value("pulltrace_pull_failures_total", reason="not_found", registry="docker.io") == 1
    assert counted.value("pulltrace_pull_failures_total", reason="unknown", registry="docker.io") is None


def test_a_failure_without_a_reason_is_unknown(counted: MeteredAggregator) -> None:
    """A manual pull, without a pod, has no reason from a kubelet."""
    counted.rows(running_view())
    counted.rows(running_view(phase=Phase.FAILED))
    counted.rows(after=REASON_SECONDS)

    assert counted.value("pulltrace_pull_failures_total", reason="unknown", registry="docker.io") == 1


def test_a_failure_that_pods_report_first_is_counted_once(counted: MeteredAggregator) -> None:
    """Its own row takes the place of theirs; a new try is a pull of its own."""
    failure = Failure(Reason.NOT_FOUND, "not found")
    theirs = replace(running_view(7, Phase.FAILED), failure=failure, reached_containerd=False)
    own, retry = replace(running_view(8, Phase.FAILED), failure=failure), running_view(9)
    for before, after in ((), theirs), ((theirs,), own), ((), retry):
        counted.store.replace_pulls([row.id for row in before], {after.id: after})
        counted.metrics.feed.catch_up()

    assert counted["pulltrace_pulls_total"] == 2
    assert counted["pulltrace_pull_errors_total"] == 1
    assert counted.value("pulltrace_pull_failures_total", reason="not_found", registry="docker.io") == 1


def test_phases_and_errors_of_estimates_are_observed(counted: MeteredAggregator) -> None:
    """With the registry and the class of size."""
    counted.rows(running_view(time_left=TimeLeft.exactly(25.0)))
    counted.rows(running_view(phase=Phase.COMPLETED), after=20)
    pods = {"shop/web-1": waiting_pod(left=time_left(30), at=20)}
    counted.store.replace_pods((), pods)
    counted.metrics.feed.catch_up()
    counted.store.replace_pods(pods, {"shop/web-1": waiting_pod(state=PodState.READY, ended_at=60.0)})

    assert counted.value("pulltrace_pull_phase_duration_seconds_sum", phase="download", registry="docker.io") == 20
    assert counted.value("pulltrace_estimate_error_ratio_sum", size="medium") == 0.25
    assert counted["pulltrace_ready_estimate_error_ratio_sum"] == pytest.approx(1 / 3)


def test_failed_polls_are_counted_from_the_agents_reports(counted: MeteredAggregator) -> None:
    """The first report of a Lease is the base; an agent that restarts counts from 0."""
    for failed_polls in (5, 6, 9, 0, 2):
        counted.lease(counted.writer.lease(failed_polls=failed_polls))
    counted.lease(counted.writer.lease(node="node-2", failed_polls=7))
    counted.metrics.feed.catch_up()

    assert counted["pulltrace_agent_failed_polls_total"] == (9 - 5) + 2


def test_what_is_true_now_is_read_when_it_is_asked_for(counted: MeteredAggregator) -> None:
    """Gauges and the counters of the cluster need no events."""
    counted.lease(counted.writer.lease(pull(1), pull(2, phase=Phase.UNPACKING), recent=(ended(3),)))
    counted.lease(counted.writer.lease(node="node-2", junk="junk"))
    counted.store.replace_pods(
        (), {"shop/web-1": waiting_pod(), "shop/web-2": waiting_pod("web-2", state=PodState.READY)}
    )
    counted.watches[1].restarts["ended"] += 2
    counted.watches[2].restarts["ended"] += 3
    counted.metrics.feed.catch_up()
    counted.now = 30

    assert counted["pulltrace_pulls_active"] == 2
    assert counted.value("pulltrace_pulls_in_progress", phase="unpacking") == 1
    assert counted.value("pulltrace_pulls_in_progress", phase="resolving") == 0
    assert counted["pulltrace_pulls_stalled"] == 1
    assert counted.value("pulltrace_pods_waiting", namespace="shop") == 1
    assert counted.value("pulltrace_node_last_report_age_seconds", node="node-2") == 30
    assert counted["pulltrace_sse_clients_active"] == 7
    assert counted["pulltrace_leader"] == 1
    assert counted["pulltrace_agent_reports_total"] == 2
    assert counted["pulltrace_lease_decode_errors_total"] == 1
    assert counted.value("pulltrace_watch_restarts_total", resource="pods", reason="ended") == 5
    assert counted.value("pulltrace_build_info", version=__version__) == 1


def test_a_follower_tells_of_itself_only(counted: MeteredAggregator) -> None:
    """So that a sum over all replicas is what the leader says."""
    counted.leading = False
    counted.lease(counted.writer.lease(pull()))

    assert counted["pulltrace_leader"] == 0
    assert counted.names() == {
        "pulltrace_build_info",
        "pulltrace_leader",
        "pulltrace_per_node_policy",
        "pulltrace_sse_clients_active",
        "pulltrace_watch_left_out",
        "pulltrace_watch_restarts",
        "pulltrace_watch_silence_seconds",
    }


def test_report_interval_is_served_with_an_election(counted: MeteredAggregator) -> None:
    """Every replica serves the interval of the election's Lease."""
    assert counted.value("pulltrace_report_interval_seconds") is None

    counted.interval, counted.leading = 13.8, False

    assert counted["pulltrace_report_interval_seconds"] == 13.8


def test_nothing_is_counted_twice_after_a_fail_over(counted: MeteredAggregator) -> None:
    """A new leader counts from the moment at which it leads; of what it saw as a follower, nothing."""
    counted.leading = False
    counted.lease(counted.writer.lease(pull(1, downloaded_bytes=100)))
    counted.metrics.feed.catch_up()
    counted.leading = True
    counted.lease(counted.writer.lease(pull(2, downloaded_bytes=10), pull(1, downloaded_bytes=400)))

    assert counted["pulltrace_pulls_total"] == counted["pulltrace_agent_reports_total"] == 1
    assert counted["pulltrace_pull_bytes_total"] == 310

    counted.leading = False
    counted.lease(counted.writer.lease(recent=(ended(1, downloaded_bytes=400), ended(2, downloaded_bytes=10))))
    counted.metrics.feed.catch_up()
    counted.leading = True

    assert counted["pulltrace_pull_bytes_total"] == 310
    assert counted["pulltrace_pull_duration_seconds_count"] == 0


def test_names_are_those_of_version_0_1(counted: MeteredAggregator) -> None:
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


def test_names_follow_the_rules_of_prometheus() -> None:
    """The rules of `promtool check metrics`: help for each, counters and only they end in _total, base units."""
    for family in sample_registry().collect():
        assert re.fullmatch(r"pulltrace_[a-z_]+", family.name)
        assert family.documentation
        assert not family.name.endswith(("_total", "_count", "_sum", "_bucket", "_counter", "_gauge"))
        assert not re.search(r"_(ms|milliseconds|minutes|kb|mb|mib|kilobytes|percent)(_|$)", family.name)
        totals = [sample.name for sample in family.samples if sample.name.endswith("_total")]
        assert bool(totals) is (family.type == "counter")


def test_every_family_has_a_sample() -> None:
    """The documentation reads its labels there."""
    empty = [family.name for family in sample_registry().collect() if not family.samples]

    assert empty == []


def test_no_label_is_named_by_image_pod_or_layer() -> None:
    """There is no end to those."""
    labels = {label for family in sample_registry().collect() for sample in family.samples for label in sample.labels}

    assert labels == {"le", "namespace", "node", "phase", "reason", "registry", "resource", "size", "version"}


# -- A big cluster, and users who want it to be bigger -------------------------------------------


def test_500_nodes_have_at_most_2000_series(counted: MeteredAggregator) -> None:
    """However many registries and namespaces users come up with."""
    fill_cluster(counted)
    count = counted.series()
    print(f"{count} series at {NODES} nodes and {PULLS} pulls, all labels in use")

    assert NODES + MAX_NAMESPACES + 40 * MAX_REGISTRIES < count <= 2000


@pytest.mark.parametrize("host", ["", "EVIL", "a\n", "x" * 200, 'a"}\n', "ünï"])
def test_a_hostile_registry_has_no_label(counted: MeteredAggregator, host: str) -> None:
    """Names come from pods, so from any user."""
    counted.rows(running_view(repositories=(f"{host}/app",)))

    assert counted.value("pulltrace_downloaded_bytes_total", registry="other")
