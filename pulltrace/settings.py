"""Settings: frozen values made from flags and PULLTRACE_* variables, checked before anything starts.

Each field of a settings class carries its flag, its variable, its default and how its text is read. A
flag wins over a variable. A wrong value is refused in one line that names the setting, the value and what
is allowed.
"""

from __future__ import annotations

import argparse
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Network, IPv6Network
from typing import Any, NoReturn, TypeVar

from pulltrace import setting_values as texts
from pulltrace.errors import UserError

Settings = TypeVar("Settings")

MAX_MESSAGE_CHARACTERS = 300
MAX_VALUE_CHARACTERS = 100


class SettingsError(UserError):
    """A setting that cannot be used."""


@dataclass(frozen=True, slots=True)
class _Spec:
    flag: str
    variable: str | None
    default: str | None
    read: Callable[[str], Any]
    help: str
    allowed: str


def _setting(flag: str, *, default: str | None, read: Callable[[str], Any], help: str, allowed: str) -> Any:  # noqa: A002
    variable = "PULLTRACE_" + flag.removeprefix("--").replace("-", "_").upper()
    return field(metadata={"spec": _Spec(flag, variable, default, read, help, allowed)})


def _address_setting(flag: str, default: str, purpose: str) -> Any:
    return _setting(
        flag, default=default, read=texts.address, help=f"address of {purpose}",
        allowed="host:port, :port or [IPv6]:port, with a port up to 65535",
    )  # fmt: skip


def _http_addr(default: str = ":8080") -> Any:
    return _address_setting("--http-addr", default, "the web UI and the API")


def _metrics_addr(default: str = ":9090") -> Any:
    return _address_setting("--metrics-addr", default, "the Prometheus metrics")


def _allowed_hosts() -> Any:
    return _setting(
        "--allowed-hosts", default="", read=texts.hosts,
        help="host names under which the page, the API and the metrics are reached, separated by commas; * allows all. Other names "
        "are refused, except IP addresses, localhost, names without a dot, Services of the cluster and the machine's name",
        allowed="host names without ports separated by commas, such as pulltrace.example.com,*.corp.example",
    )  # fmt: skip


def _log_level() -> Any:
    return _setting(
        "--log-level", default="info", read=texts.level, help="least severe messages that are logged",
        allowed="one of " + ", ".join(texts.LOG_LEVELS),
    )  # fmt: skip


def _socket() -> Any:
    return _setting(
        "--containerd-socket", default="/run/containerd/containerd.sock", read=texts.path,
        help="containerd's Unix socket", allowed="an absolute path, with or without unix:// before it",
    )  # fmt: skip


def _containerd_namespace() -> Any:
    return _setting(
        "--containerd-namespace", default="k8s.io", read=texts.word,
        help="containerd's own namespace that is followed; Kubernetes uses k8s.io",
        allowed="letters, digits and . _ - between them",
    )  # fmt: skip


def _report_interval(default: str, read: Callable[[str], Any], more: str = "") -> Any:
    return _setting(
        "--report-interval", default=default, read=read,
        help=f"time between two reports of a pull's progress{more}; changes of phase are reported at once",
        allowed="a duration from 200ms to 5m, such as 1s",
    )  # fmt: skip


_interval = texts.duration(0.2, 300)


def _history_ttl() -> Any:
    return _setting(
        "--history-ttl", default="30m", read=texts.duration(1, 24 * 3600), help="how long ended pulls are shown",
        allowed="a duration from 1s to 24h, such as 30m",
    )  # fmt: skip


def _node_name() -> Any:
    return _setting(
        "--node-name", default=socket.gethostname().lower(), read=texts.name, help="name of the node; also of its Lease",
        allowed="a Kubernetes object name: lower-case letters, digits, - and .",
    )  # fmt: skip


def _namespace() -> Any:
    return _setting(
        "--namespace", default="", read=lambda text: texts.name(text) if text else "",
        help="Kubernetes namespace of the Leases; without it the pod's own, else pulltrace",
        allowed="a Kubernetes namespace: lower-case letters, digits and -",
    )  # fmt: skip


def _kubeconfig() -> Any:
    return _setting(
        "--kubeconfig", default="", read=str, help="kubeconfig file; without it in-cluster, else the usual rules",
        allowed="a path",
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """`pulltrace agent`: follow the containerd of this node and write its Lease."""

    node_name: str = _node_name()
    containerd_socket: str = _socket()
    containerd_namespace: str = _containerd_namespace()
    report_interval: float | None = _report_interval(
        "", lambda text: _interval(text) if text else None,
        ", at least; without it what the aggregator says, and 5s while none says anything",
    )  # fmt: skip
    start_spread: float = _setting(
        "--start-spread", default="30s", read=texts.duration(0, 600),
        help="the first write of a node without pulls comes within so long after the start, at random, so that "
        "nodes that start together do not write together",
        allowed="a duration from 0s to 10m, such as 30s",
    )  # fmt: skip
    namespace: str = _namespace()
    kubeconfig: str = _kubeconfig()
    log_level: str = _log_level()


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregator:
    """`pulltrace aggregator`: join the Leases of all nodes with the pods that wait, and serve the result."""

    http_addr: str = _http_addr()
    metrics_addr: str = _metrics_addr()
    namespace: str = _namespace()
    kubeconfig: str = _kubeconfig()
    watch_namespaces: tuple[str, ...] = _setting(
        "--watch-namespaces", default="", read=texts.names,
        help="namespaces whose pods are shown, separated by commas; all when empty",
        allowed="Kubernetes namespaces separated by commas",
    )  # fmt: skip
    history_ttl: float = _history_ttl()
    write_budget: int = _setting(
        "--write-budget", default="100", read=texts.count(1, 10_000),
        help="writes a second that all agents together may make; the more nodes pull, the longer their report "
        "interval becomes",
        allowed="a whole number from 1 to 10000",
    )  # fmt: skip
    kubernetes_events: bool = _setting(
        "--kubernetes-events", default="true", read=texts.switch,
        help="whether the leader says in Events of the waiting pods how far their images are",
        allowed="true or false",
    )  # fmt: skip
    event_budget: int = _setting(
        "--event-budget", default="10", read=texts.count(1, 1000),
        help="Events a second that are written at most", allowed="a whole number from 1 to 1000",
    )  # fmt: skip
    max_streams: int = _setting(
        "--max-streams", default="10000", read=texts.count(1, 100_000),
        help="live streams that are served at once; one more is answered 503",
        allowed="a whole number from 1 to 100000",
    )  # fmt: skip
    max_streams_per_address: int = _setting(
        "--max-streams-per-address", default="100", read=texts.count(1, 100_000), help="the same for one client's address",
        allowed="a whole number from 1 to 100000",
    )  # fmt: skip
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = _setting(
        "--trusted-proxies", default="", read=texts.networks,
        help="networks of proxies that are believed in X-Forwarded-For, separated by commas; none when empty",
        allowed="networks or addresses separated by commas, such as 10.0.0.0/8",
    )  # fmt: skip
    allowed_hosts: tuple[str, ...] = _allowed_hosts()
    per_node_policy: bool = _setting(
        "--per-node-policy", default="true", read=texts.switch,
        help="whether the cluster keeps each agent to the Lease of its own node, which whoever installs knows; if not, "
        "the log warns and a metric says so",
        allowed="true or false",
    )  # fmt: skip
    log_level: str = _log_level()


@dataclass(frozen=True, slots=True, kw_only=True)
class Standalone:
    """`pulltrace standalone`: agent and aggregator in one process, on a host without Kubernetes."""

    node_name: str = _node_name()
    containerd_socket: str = _socket()
    containerd_namespace: str = _containerd_namespace()
    report_interval: float = _report_interval("1s", _interval)
    http_addr: str = _http_addr()
    metrics_addr: str = _metrics_addr()
    history_ttl: float = _history_ttl()
    allowed_hosts: tuple[str, ...] = _allowed_hosts()
    log_level: str = _log_level()


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """`pulltrace demo`: a simulated cluster, to see what Pulltrace shows."""

    http_addr: str = _http_addr("127.0.0.1:8080")
    metrics_addr: str = _metrics_addr("127.0.0.1:0")
    allowed_hosts: tuple[str, ...] = _allowed_hosts()
    log_level: str = _log_level()


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise SettingsError(_printable(message))


def parser(kind: type[Any], prog: str) -> argparse.ArgumentParser:
    """The flags of a settings class, each with its variable and default in the help."""
    made = _Parser(prog=prog, description=(kind.__doc__ or "").partition(": ")[2], allow_abbrev=False)
    for spec in _specs(kind).values():
        default = f"; default: {spec.default}" if spec.default else ""
        made.add_argument(spec.flag, metavar="VALUE", help=f"{spec.help} (${spec.variable}{default})")
    return made


def read(kind: type[Settings], arguments: Sequence[str], environ: Mapping[str, str], prog: str) -> Settings:
    """Settings from flags and variables; raises `SettingsError`."""
    given = vars(parser(kind, prog).parse_args(arguments))
    values = {}
    for name, spec in _specs(kind).items():
        source, text = spec.flag, given[name]
        if text is None and spec.variable and environ.get(spec.variable):
            source, text = spec.variable, environ[spec.variable]
        if text is None:
            text = spec.default
        try:
            values[name] = spec.read(text)
        except ValueError:
            raise SettingsError(f"{source}: {_quoted(text)} is not allowed; it takes {spec.allowed}") from None
    return kind(**values)


def _quoted(text: str) -> str:
    return _cut(repr(text), MAX_VALUE_CHARACTERS)


def _printable(message: str) -> str:
    """On one line and not endless: argparse repeats what it was given as it is."""
    line = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in message[: MAX_MESSAGE_CHARACTERS + 1])
    return _cut(line, MAX_MESSAGE_CHARACTERS)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}…"


def _specs(kind: type[Any]) -> dict[str, _Spec]:
    return {one.name: one.metadata["spec"] for one in fields(kind)}
