"""The chart's values and the programs' settings: one declaration (pulltrace/settings), and the chart passes each value on."""

from __future__ import annotations

from functools import reduce
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from pulltrace.settings.flags import AgentSettings, AggregatorSettings
from pulltrace.settings.parser import Flag, flags_of, read
from tests.deploy.manifests import CHART, NEEDS_HELM, Values, agent_pod, aggregator_pod, rendered, variables

pytestmark = NEEDS_HELM

POD_OF = {AgentSettings: agent_pod, AggregatorSettings: aggregator_pod}
SET_BY_THE_CHART = {"--node-name", "--http-addr", "--metrics-addr"}
LEFT_ALONE = {"--namespace", "--kubeconfig"}
"""A pod finds its API server and namespace by itself."""
OTHER_VALUES: dict[str, Any] = {
    "agent.containerd.namespace": "other",
    "agent.containerd.socket": "/srv/containerd.sock",
    "agent.perNodePolicy.enabled": False,
    "agent.reportInterval": "2s",
    "agent.startSpread": "5s",
    "aggregator.allowedHosts": ["pulltrace.example.com"],
    "aggregator.historyTTL": "1h",
    "aggregator.kubernetesEvents.budget": 3,
    "aggregator.kubernetesEvents.enabled": False,
    "aggregator.streams.max": 7,
    "aggregator.streams.maxPerAddress": 6,
    "aggregator.streams.trustedProxies": ["10.0.0.0/8", "fd00::/8"],
    "aggregator.writeBudget": 50,
    "logLevel": "debug",
    "watchNamespaces": ["team-a", "team-b"],
}
"""For each chart value of a setting one that is not its default."""
DEFAULTS: Values = yaml.safe_load((CHART / "values.yaml").read_text())

DECLARED = [
    pytest.param(kind, field, flag, id=f"{kind.__name__} {flag.name}")
    for kind in POD_OF
    for field, flag in flags_of(kind).items()
]
IN_CHART = [each for each in DECLARED if each.values[2].chart_value]  # type: ignore[union-attr]


def written(value: Any) -> str:
    """Return a chart value as the text of a setting."""
    if isinstance(value, list):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def nested(path: str, value: Any) -> Values:
    return reduce(lambda inner, name: {name: inner}, reversed(path.split(".")), value)


def from_chart(kind: type[Any], field: str, values: Values | None = None) -> Any:
    """Return a setting as the program in the chart's pod reads it."""
    return getattr(read(kind, [], variables(POD_OF[kind](rendered(values))), "x"), field)


@pytest.mark.parametrize(("kind", "field", "flag"), DECLARED)
def test_every_setting_is_in_the_chart(kind: type[Any], field: str, flag: Flag) -> None:
    """A setting has a chart value, or the chart sets it, or it is left alone on purpose."""
    given = set(variables(POD_OF[kind](rendered()))) | {"PULLTRACE_NODE_NAME"}
    if flag.name in LEFT_ALONE:
        assert flag.variable not in given
    elif not flag.chart_value:
        assert flag.name in SET_BY_THE_CHART
        assert flag.variable in given


@pytest.mark.parametrize(("kind", "field", "flag"), IN_CHART)
def test_default_of_the_chart_is_the_declared_one(kind: type[Any], field: str, flag: Flag) -> None:
    """values.yaml and the program have one default; the socket's depends on the preset, and a Service adds its own host."""
    default = reduce(lambda inner, name: inner[name], flag.chart_value.split("."), DEFAULTS)
    expected = {
        "containerd_socket": f"/host{flag.default}",
        "allowed_hosts": ("pulltrace.pulltrace",),
    }.get(field, flag.parse(flag.default))

    assert from_chart(kind, field) == expected
    assert field == "containerd_socket" or flag.parse(written(default)) == flag.parse(flag.default)


@pytest.mark.parametrize(("kind", "field", "flag"), IN_CHART)
def test_chart_value_reaches_the_program(kind: type[Any], field: str, flag: Flag) -> None:
    """A value that a user sets is the one that the program in the pod reads."""
    other = OTHER_VALUES[flag.chart_value]
    found = from_chart(kind, field, nested(flag.chart_value, other))

    if field == "allowed_hosts":
        assert set(other) <= set(found)
    else:
        assert found == flag.parse(f"/host{other}" if field == "containerd_socket" else written(other))


def test_no_variable_without_a_setting() -> None:
    """Each variable of the chart's pods belongs to a setting of that program."""
    everything: dict[str, Any] = {}
    for path, value in OTHER_VALUES.items():
        merge(everything, nested(path, value))
    for kind, pod in POD_OF.items():
        assert variables(pod(rendered(everything))).keys() <= {flag.variable for flag in flags_of(kind).values()}


def merge(into: dict[str, Any], more: Values) -> None:
    for name, value in more.items():
        if isinstance(value, dict):
            merge(into.setdefault(name, {}), value)
        else:
            into[name] = value
