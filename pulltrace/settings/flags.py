"""The settings of the four programs. `agent.run` takes `AgentSettings` and `aggregator.run` takes `AggregatorSettings`."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import ClassVar

from pulltrace.settings import values
from pulltrace.settings.parser import flag

_ADDRESS = "host:port, :port or [IPv6]:port, with a port up to 65535"
_BOOLEAN = "true or false"
_INTERVAL = "a duration from 200ms to 5m, such as 1s"
_interval_seconds = values.duration(0.2, 300)


def _http_addr(default: str) -> str:
    return flag(
        "--http-addr", default=default, parse=values.address, help="listen address of the web UI and the API", allowed=_ADDRESS
    )  # fmt: skip


def _metrics_addr(default: str) -> str:
    return flag(
        "--metrics-addr", default=default, parse=values.address, help="listen address of the Prometheus metrics",
        allowed=_ADDRESS,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ClusterSettings:
    """The settings of every program that uses a Kubernetes API server."""

    namespace: str = flag(
        "--namespace", default="", parse=lambda text: values.name(text) if text else "",
        help="Kubernetes namespace of the Leases; by default the pod's own, or pulltrace outside a pod",
        allowed="a Kubernetes namespace: lower-case letters, digits and -",
    )  # fmt: skip
    kubeconfig: str = flag(
        "--kubeconfig", default="", parse=str,
        help="kubeconfig file; by default the pod's ServiceAccount, or kubectl's rules outside a pod", allowed="a path",
    )  # fmt: skip
    log_level: str = flag(
        "--log-level", default="info", parse=values.level, help="minimum log level",
        allowed="one of " + ", ".join(values.LOG_LEVELS), chart_value="logLevel",
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class AgentSettings(ClusterSettings):
    """`pulltrace agent`: watch containerd on this node and report its pulls in the node's Lease."""

    node_name: str = flag(
        "--node-name", default=socket.gethostname().lower(), parse=values.name, help="name of the node and of its Lease",
        allowed="a Kubernetes object name: lower-case letters, digits, - and .",
    )  # fmt: skip
    containerd_socket: str = flag(
        "--containerd-socket", default="/run/containerd/containerd.sock", parse=values.path,
        help="containerd's Unix socket", allowed="an absolute path, with or without unix:// before it",
        chart_value="agent.containerd.socket",
    )  # fmt: skip
    containerd_namespace: str = flag(
        "--containerd-namespace", default="k8s.io", parse=values.word,
        help="containerd namespace to watch; Kubernetes uses k8s.io",
        allowed="letters, digits and . _ - between them", chart_value="agent.containerd.namespace",
    )  # fmt: skip
    report_interval_seconds: float | None = flag(
        "--report-interval", default="", parse=lambda text: _interval_seconds(text) if text else None,
        help="minimum time between two progress reports of a pull; by default the aggregator's interval, or 5s without an "
        "aggregator; changes of phase are reported at once",
        allowed=_INTERVAL, chart_value="agent.reportInterval",
    )  # fmt: skip
    """None: the aggregator's interval applies."""
    start_spread_seconds: float = flag(
        "--start-spread", default="30s", parse=values.duration(0, 600),
        help="maximum random delay before an idle agent's first write; an agent with a pull to report writes at once",
        allowed="a duration from 0s to 10m, such as 30s", chart_value="agent.startSpread",
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class AggregatorSettings(ClusterSettings):
    """`pulltrace aggregator`: match the Leases of all nodes with pending pods, and serve UI, API and metrics."""

    http_addr: str = _http_addr(":8080")
    metrics_addr: str = _metrics_addr(":9090")
    watch_namespaces: tuple[str, ...] = flag(
        "--watch-namespaces", default="", parse=values.names,
        help="namespaces whose pods are watched, separated by commas; all by default",
        allowed="Kubernetes namespaces separated by commas", chart_value="watchNamespaces",
    )  # fmt: skip
    history_ttl_seconds: float = flag(
        "--history-ttl", default="30m", parse=values.duration(1, 24 * 3600), help="how long ended pulls stay visible",
        allowed="a duration from 1s to 24h, such as 30m", chart_value="aggregator.historyTTL",
    )  # fmt: skip
    writes_per_second: int = flag(
        "--write-budget", default="100", parse=values.count(1, 10_000),
        help="maximum Lease writes a second of all agents together; the more nodes pull, the longer the report interval gets",
        allowed="a whole number from 1 to 10000", chart_value="aggregator.writeBudget",
    )  # fmt: skip
    kubernetes_events: bool = flag(
        "--kubernetes-events", default="true", parse=values.switch,
        help="report the progress of images in Kubernetes Events of the pending pods; only the leader writes them",
        allowed=_BOOLEAN, chart_value="aggregator.kubernetesEvents.enabled",
    )  # fmt: skip
    events_per_second: int = flag(
        "--event-budget", default="10", parse=values.count(1, 1000), help="maximum Kubernetes Events a second",
        allowed="a whole number from 1 to 1000", chart_value="aggregator.kubernetesEvents.budget",
    )  # fmt: skip
    max_streams: int = flag(
        "--max-streams", default="10000", parse=values.count(1, 100_000),
        help="maximum event streams at once; further clients get status 503",
        allowed="a whole number from 1 to 100000", chart_value="aggregator.streams.max",
    )  # fmt: skip
    max_streams_per_address: int = flag(
        "--max-streams-per-address", default="100", parse=values.count(1, 100_000),
        help="maximum event streams of one client address at once",
        allowed="a whole number from 1 to 100000", chart_value="aggregator.streams.maxPerAddress",
    )  # fmt: skip
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = flag(
        "--trusted-proxies", default="", parse=values.networks,
        help="networks of proxies whose X-Forwarded-For header is trusted, separated by commas; none by default",
        allowed="networks or addresses separated by commas, such as 10.0.0.0/8",
        chart_value="aggregator.streams.trustedProxies",
    )  # fmt: skip
    allowed_hosts: tuple[str, ...] = flag(
        "--allowed-hosts", default="", parse=values.hosts,
        help="host names that requests may use, separated by commas; * allows all. IP addresses, localhost, names without a "
        "dot, Services of the cluster and the machine's name are always allowed",
        allowed="host names without ports separated by commas, such as pulltrace.example.com,*.corp.example",
        chart_value="aggregator.allowedHosts",
    )  # fmt: skip
    per_node_policy: bool = flag(
        "--per-node-policy", default="true", parse=values.switch,
        help="whether the cluster restricts each agent to the Lease of its own node; if not, the aggregator logs a warning "
        "and a metric shows it",
        allowed=_BOOLEAN, chart_value="agent.perNodePolicy.enabled",
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class StandaloneSettings(AgentSettings, AggregatorSettings):
    """`pulltrace standalone`: agent and aggregator in one process, on a host without Kubernetes."""

    FLAGS: ClassVar = (
        *("--node-name", "--containerd-socket", "--containerd-namespace", "--report-interval"),
        *("--http-addr", "--metrics-addr", "--history-ttl", "--allowed-hosts", "--log-level"),
    )
    report_interval_seconds: float = flag(
        "--report-interval", default="1s", parse=_interval_seconds,
        help="minimum time between two progress reports of a pull; changes of phase are reported at once",
        allowed=_INTERVAL,
    )  # fmt: skip
    start_spread_seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class DemoSettings(AggregatorSettings):
    """`pulltrace demo`: a simulated cluster that shows how Pulltrace looks."""

    FLAGS: ClassVar = ("--http-addr", "--metrics-addr", "--allowed-hosts", "--log-level")
    http_addr: str = _http_addr("127.0.0.1:8080")
    metrics_addr: str = _metrics_addr("127.0.0.1:0")
    history_ttl_seconds: float = 45.0
    """The page shows some ended pulls without scrolling."""
