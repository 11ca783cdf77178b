"""VALID-03: a real Prometheus finds the aggregator by the shipped PodMonitor and gets right numbers."""

from __future__ import annotations

import json
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import binaries
from tests.cluster.api import JSON
from tests.cluster.cluster import Cluster
from tests.cluster.cri import PullFailed, pull_now
from tests.cluster.faults import Fault
from tests.cluster.processes import Process, free_port, wait_until
from tests.deploy.manifests import CHART, rendered, the
from tests.e2e.installs import NAMESPACE
from tests.e2e.reach import Forward
from tests.e2e.workloads import MB, Shop

pytestmark = pytest.mark.e2e

COUNTERS = (
    "pulltrace_pulls_total",
    "pulltrace_pull_errors_total",
    "pulltrace_pull_bytes_total",
    "pulltrace_pull_duration_seconds_count",
)
MONITORING = {"monitoring": {"podMonitor": {"enabled": True}, "prometheusRule": {"enabled": True}}}


class Prometheus:
    """A Prometheus beside the cluster, with the configuration that its operator makes of Pulltrace's objects."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        shipped = rendered(MONITORING)
        (folder / "rules.yml").write_text(json.dumps(the(shipped, "PrometheusRule")["spec"]))
        config = {
            "global": {"evaluation_interval": "1s"},
            "rule_files": ["rules.yml"],
            "scrape_configs": [scrape_config(the(shipped, "PodMonitor"), cluster)],
        }
        (folder / "prometheus.yml").write_text(json.dumps(config))
        flags = {
            "config.file": folder / "prometheus.yml",
            "storage.tsdb.path": folder / "data",
            "web.listen-address": f"127.0.0.1:{port}",
        }
        command = [str(binaries.debian("prometheus")), *(f"--{name}={value}" for name, value in flags.items())]
        self.process = Process(command, folder / "prometheus.log")

    def values(self, query: str) -> list[float]:
        """Return the values of a query's result; none while there is nothing."""
        result = self.ask("query?" + urllib.parse.urlencode({"query": query}))["result"]
        return [float(one["value"][1]) for one in result]

    def wait_for(self, query: str, wanted: float, seconds: float = 30) -> None:
        """Wait until the only value is this one."""
        try:
            self.process.wait_until(
                lambda: self.values(query) == [wanted], f"{query} to be {wanted:g}", seconds=seconds
            )
        except AssertionError as error:
            raise AssertionError(f"it is {self.values(query)}: {error}") from None

    def ask(self, what: str) -> JSON:
        with urllib.request.urlopen(f"{self.url}/api/v1/{what}", timeout=10) as answer:
            data: JSON = json.load(answer)["data"]
        return data


def scrape_config(monitor: JSON, cluster: Cluster) -> JSON:
    """Return the scrape configuration of a PodMonitor, with an interval of 1 s instead of 30 s.

    Debian's Prometheus cannot ask Kubernetes, so the selected pods are looked up here.
    """
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    namespace, name = monitor["metadata"]["namespace"], monitor["metadata"]["name"]
    labels = ",".join(f"{name}={value}" for name, value in monitor["spec"]["selector"]["matchLabels"].items())
    found = cluster.user.get(f"/api/v1/namespaces/{namespace}/pods?labelSelector={labels}")["items"]
    targets = [
        {
            "targets": [f"{pod['status']['podIP']}:{port['containerPort']}"],
            "labels": {"namespace": namespace, "pod": pod["metadata"]["name"], "container": container["name"]},
        }
        for pod in found
        for container in pod["spec"]["containers"]
        for port in container.get("ports", [])
        if port.get("name") == endpoint["port"]
    ]
    return {
        "job_name": f"podMonitor/{namespace}/{name}/0",
        "metrics_path": endpoint["path"],
        "scrape_interval": "1s",
        "scrape_timeout": "1s",
        "static_configs": targets,
    }


@pytest.fixture
def prometheus(pulltrace: Forward, cluster: Cluster, tmp_path: Path) -> Iterator[Prometheus]:
    """Provide a Prometheus that has scraped the aggregator."""
    prometheus = Prometheus(cluster, tmp_path)
    with prometheus.process:
        prometheus.wait_for(f'up{{namespace="{NAMESPACE}"}}', 1)
        yield prometheus


def test_known_pulls_give_the_right_values(
    prometheus: Prometheus, pulltrace: Forward, cluster: Cluster, shop: Shop
) -> None:
    """Two pulls are active while they run; then two completed and a failed one have moved every counter by what they
    were.
    """
    before = {name: prometheus.values(name)[0] for name in COUNTERS}
    image = shop.image("measured", 6 * MB, 4 * MB)
    for node in cluster.nodes:
        node.proxy.set_rate(2 * MB)
    shop.deploy("measured", image, replicas=2)
    prometheus.wait_for("pulltrace_pulls_active", 2)
    for node in cluster.nodes:
        assert pulltrace.ended_row(image, node)["phase"] == "completed"
    cluster.nodes[0].proxy.add(Fault("/shop/missing/", status=404, hang_seconds=1.5))
    with pytest.raises(PullFailed, match="not found"):
        pull_now(cluster.nodes[0].containerd.socket, "registry.test/shop/missing:1")

    for name, more in zip(COUNTERS, (3, 1, 2 * image.size, 2), strict=True):
        prometheus.wait_for(name, before[name] + more)
    prometheus.wait_for("pulltrace_pulls_active", 0)
    prometheus.wait_for("pulltrace_sse_clients_active", 0)
    prometheus.wait_for("pulltrace_lease_decode_errors_total", 0)
    prometheus.wait_for("count(pulltrace_build_info == 1)", 1)
    prometheus.wait_for("pulltrace_agent_reports_total > bool 10", 1)


def test_alerts_can_be_evaluated(prometheus: Prometheus) -> None:
    """Prometheus takes every shipped alert, and none of them is true of a healthy install."""

    def rules() -> list[JSON]:
        found: list[JSON] = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
        return found if all(rule["health"] != "unknown" for rule in found) else []

    found = wait_until(rules, "the alerts to be evaluated")

    assert {rule["health"] for rule in found} == {"ok"}
    wait_until(lambda: not prometheus.ask("alerts")["alerts"], "no alert to be pending")


@pytest.fixture
def promtool() -> Path:
    """Provide the program that comes with Prometheus."""
    return binaries.debian("promtool")


def test_promtool_finds_nothing_to_say(promtool: Path, pulltrace: Forward) -> None:
    """`promtool check metrics` has no complaint about names, types and help texts."""
    page = pulltrace.get(pulltrace.metrics_port, "/metrics")
    command = [str(promtool), "check", "metrics"]

    checked = subprocess.run(command, input=page, capture_output=True, text=True, timeout=30, check=False)

    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_every_query_of_the_dashboard_runs(prometheus: Prometheus) -> None:
    """Prometheus takes each query of the shipped dashboard, as Grafana would send it."""
    panels = json.loads((CHART / "files/dashboard.json").read_text())["panels"]
    queries = [query["expr"] for panel in panels for query in panel.get("targets", [])]

    for query in queries:
        prometheus.values(query.replace("$namespace", NAMESPACE).replace("$__rate_interval", "1m"))

    assert len(queries) > 20
    prometheus.wait_for("max(pulltrace_pulls_active)", 0)
    prometheus.wait_for("pulltrace_nodes_failing", 0)
    prometheus.wait_for("pulltrace_report_interval_seconds >= bool 1", 1)
