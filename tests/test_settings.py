"""Settings: defaults, precedence, and one line for a value that is refused."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from pulltrace.settings.flags import AgentSettings, AggregatorSettings, DemoSettings, StandaloneSettings
from pulltrace.settings.parser import SettingsError, flags_of, parser, read
from pulltrace.settings.values import LOG_LEVELS, duration_seconds

PROGRAMS = (AgentSettings, AggregatorSettings, StandaloneSettings, DemoSettings)
NODE = ["--node-name", "node-1"]


def agent(*arguments: str, **environ: str) -> AgentSettings:
    return read(AgentSettings, [*NODE, *arguments], environ, "pulltrace agent")


def aggregator(*arguments: str, **environ: str) -> AggregatorSettings:
    return read(AggregatorSettings, arguments, environ, "pulltrace aggregator")


def test_an_agent_needs_no_flags() -> None:
    """On a usual node the defaults are right."""
    assert agent() == AgentSettings(
        node_name="node-1",
        containerd_socket="/run/containerd/containerd.sock",
        containerd_namespace="k8s.io",
        report_interval_seconds=None,
        start_spread_seconds=30.0,
        namespace="",
        kubeconfig="",
        log_level="info",
    )


def test_an_aggregator_needs_no_flags() -> None:
    """In a usual cluster the defaults are right."""
    assert aggregator() == AggregatorSettings(
        http_addr=":8080",
        metrics_addr=":9090",
        namespace="",
        kubeconfig="",
        watch_namespaces=(),
        history_ttl_seconds=1800.0,
        writes_per_second=100,
        kubernetes_events=True,
        events_per_second=10,
        max_streams=10_000,
        max_streams_per_address=100,
        trusted_proxies=(),
        allowed_hosts=(),
        per_node_policy=True,
        log_level="info",
    )


def test_a_demo_is_not_offered_to_the_network() -> None:
    """The demo listens on the loopback address only."""
    assert read(DemoSettings, [], {}, "pulltrace demo").http_addr == "127.0.0.1:8080"


def test_a_variable_sets_what_no_flag_sets() -> None:
    """Every setting has a variable, for pods."""
    assert aggregator(PULLTRACE_WRITE_BUDGET="10000").writes_per_second == 10_000
    assert aggregator(PULLTRACE_TRUSTED_PROXIES="10.0.0.0/8, ::1").trusted_proxies == (
        ip_network("10.0.0.0/8"),
        ip_network("::1"),
    )
    assert aggregator(PULLTRACE_ALLOWED_HOSTS="Shop.example.com, *.corp.example").allowed_hosts == (
        "shop.example.com",
        "*.corp.example",
    )
    assert aggregator(PULLTRACE_MAX_STREAMS="7", PULLTRACE_MAX_STREAMS_PER_ADDRESS="2").max_streams == 7
    assert agent(PULLTRACE_START_SPREAD="0s").start_spread_seconds == 0
    assert agent(PULLTRACE_REPORT_INTERVAL="5s", PULLTRACE_LOG_LEVEL="debug").report_interval_seconds == 5
    assert not aggregator(PULLTRACE_KUBERNETES_EVENTS="False").kubernetes_events
    assert aggregator(PULLTRACE_WATCH_NAMESPACES="a, b").watch_namespaces == ("a", "b")


def test_a_flag_wins_over_a_variable() -> None:
    """A flag is the more explicit of the two."""
    assert agent("--report-interval", "2s", PULLTRACE_REPORT_INTERVAL="5s").report_interval_seconds == 2
    assert agent("--report-interval=2s", PULLTRACE_REPORT_INTERVAL="junk").report_interval_seconds == 2


def test_an_empty_variable_is_none() -> None:
    """A chart may set a variable to an empty text."""
    assert agent(PULLTRACE_LOG_LEVEL="").log_level == "info"


@pytest.mark.parametrize("kind", PROGRAMS)
def test_every_setting_has_a_flag_a_variable_and_help(kind: type[Any]) -> None:
    """`--help` names each flag with its variable, and the variable is named like the flag."""
    text = " ".join(parser(kind, "pulltrace x").format_help().split())
    for flag in flags_of(kind).values():
        assert f"{flag.name} VALUE" in text
        assert f"$PULLTRACE_{flag.name[2:].upper().replace('-', '_')}" in text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("1s", 1), ("1.5s", 1.5), ("1m30s", 90), ("1h", 3600), ("1h1m1s1ms", 3661.001)],
)
def test_durations(text: str, seconds: float) -> None:
    """Durations are written as everywhere around Kubernetes."""
    assert duration_seconds(text, 0, 1e9) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "1", "s", "1d", "1 s", "-1s", "1s ", "1,5s", "1s2", "inf", "1e3s", "9s", "11h"])
def test_texts_that_are_no_duration_in_range(text: str) -> None:
    """A number without a unit, a unit without a number, and a duration out of range are refused."""
    with pytest.raises(ValueError):
        duration_seconds(text, 10, 36_000)


@pytest.mark.parametrize("text", [":8080", "127.0.0.1:0", "localhost:65535", "[::1]:80"])
def test_addresses(text: str) -> None:
    """An address has a port, and a host unless it means all of them."""
    assert aggregator("--http-addr", text).http_addr == text


def test_a_socket_may_be_a_url() -> None:
    """Both forms that containerd's users write mean the same."""
    assert agent("--containerd-socket", "unix:///run/x.sock").containerd_socket == "/run/x.sock"


def test_standalone_is_settings_of_agent_and_aggregator() -> None:
    """Both loops take the one object; settings that need Kubernetes keep their defaults and have no flag."""
    settings = read(StandaloneSettings, [*NODE, "--history-ttl", "1h"], {"PULLTRACE_WRITE_BUDGET": "1"}, "x")

    assert isinstance(settings, AgentSettings)
    assert isinstance(settings, AggregatorSettings)
    assert (settings.report_interval_seconds, settings.start_spread_seconds) == (1, 0)
    assert (settings.history_ttl_seconds, settings.writes_per_second) == (3600, 100)
    with pytest.raises(SettingsError, match="--start-spread"):
        read(StandaloneSettings, [*NODE, "--start-spread", "1s"], {}, "x")


@pytest.mark.parametrize("level", LOG_LEVELS)
def test_log_levels_in_any_case(level: str) -> None:
    """INFO is info."""
    assert agent("--log-level", level.upper()).log_level == level


WRONG = [
    (AgentSettings, "--report-interval", "0s", "a duration from 200ms to 5m, such as 1s"),
    (AgentSettings, "--report-interval", "1", "a duration from 200ms to 5m, such as 1s"),
    (AgentSettings, "--node-name", "Node_1", "a Kubernetes object name: lower-case letters, digits, - and ."),
    (AgentSettings, "--node-name", "", "a Kubernetes object name: lower-case letters, digits, - and ."),
    (AgentSettings, "--containerd-socket", "run/x.sock", "an absolute path, with or without unix:// before it"),
    (AgentSettings, "--containerd-namespace", "k8s/io", "letters, digits and . _ - between them"),
    (AgentSettings, "--namespace", "Pull Trace", "a Kubernetes namespace: lower-case letters, digits and -"),
    (AgentSettings, "--log-level", "loud", "one of debug, info, warn, error"),
    (AggregatorSettings, "--http-addr", "8080", "host:port, :port or [IPv6]:port, with a port up to 65535"),
    (AggregatorSettings, "--http-addr", ":65536", "host:port, :port or [IPv6]:port, with a port up to 65535"),
    (AggregatorSettings, "--http-addr", "::1:80", "host:port, :port or [IPv6]:port, with a port up to 65535"),
    (AggregatorSettings, "--metrics-addr", "http://x:80/", "host:port, :port or [IPv6]:port, with a port up to 65535"),
    (AggregatorSettings, "--watch-namespaces", "a,B", "Kubernetes namespaces separated by commas"),
    (AggregatorSettings, "--history-ttl", "25h", "a duration from 1s to 24h, such as 30m"),
    (AggregatorSettings, "--write-budget", "0", "a whole number from 1 to 10000"),
    (AggregatorSettings, "--write-budget", "10001", "a whole number from 1 to 10000"),
    (AggregatorSettings, "--write-budget", "1.5", "a whole number from 1 to 10000"),
    (AggregatorSettings, "--kubernetes-events", "yes", "true or false"),
    (AggregatorSettings, "--event-budget", "0", "a whole number from 1 to 1000"),
    (AggregatorSettings, "--max-streams", "0", "a whole number from 1 to 100000"),
    (
        AggregatorSettings,
        "--trusted-proxies",
        "10.0.0.1/8",
        "networks or addresses separated by commas, such as 10.0.0.0/8",
    ),
    *(
        (
            AggregatorSettings,
            "--allowed-hosts",
            value,
            "host names without ports separated by commas, such as pulltrace.example.com,*.corp.example",
        )
        for value in (
            "pulltrace.example.com:8080",
            "http://pulltrace.example.com",
            "a..b",
            "*.",
            "a*.b",
            "a b",
            "ä.example",
        )
    ),
    (AgentSettings, "--start-spread", "11m", "a duration from 0s to 10m, such as 30s"),
    (StandaloneSettings, "--report-interval", "6m", "a duration from 200ms to 5m, such as 1s"),
    (DemoSettings, "--log-level", "inf\no", "one of debug, info, warn, error"),
]


@pytest.mark.parametrize("by_variable", [False, True], ids=["flag", "variable"])
@pytest.mark.parametrize(("kind", "flag", "value", "allowed"), WRONG)
def test_a_wrong_value_is_refused_in_one_line(
    kind: type[Any], flag: str, value: str, allowed: str, *, by_variable: bool
) -> None:
    """The line names the setting as it was given, the value, and what is allowed."""
    variable = "PULLTRACE_" + flag.removeprefix("--").replace("-", "_").upper()
    if by_variable and not value:
        return  # an empty variable is one that is not set
    environ = {variable: value} if by_variable else {}
    arguments = [] if by_variable else [f"{flag}={value}"]
    with pytest.raises(SettingsError) as refused:
        read(kind, arguments, environ, "pulltrace x")

    assert str(refused.value) == f"{variable if by_variable else flag}: {value!r} is not allowed; it takes {allowed}"
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("arguments", [["--nonsense"], ["--report-interval"], ["extra"], ["--report", "1s"]])
def test_arguments_that_do_not_exist_are_refused_in_one_line(arguments: list[str]) -> None:
    """Unknown flags, missing values, shortened flags and stray words are named."""
    with pytest.raises(SettingsError) as refused:
        agent(*arguments)

    assert "\n" not in str(refused.value)
