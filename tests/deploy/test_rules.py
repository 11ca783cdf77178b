"""The alerts: valid rules, which fire when they should, tried by Prometheus' own promtool."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.cluster import binaries
from tests.deploy.manifests import CHART, rendered, the

pytestmark = pytest.mark.real("promtool")

FIRST, SECOND = ('namespace="pulltrace",pod="a"', 'namespace="pulltrace",pod="b"')
"""Two replicas, of which one led after the other."""
BUCKET = "pulltrace_pull_duration_seconds_bucket"


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """Write the rules of the chart as Prometheus reads them."""
    rule = the(rendered({"monitoring": {"prometheusRule": {"enabled": True}}}), "PrometheusRule")
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump(rule["spec"]))
    return path


def promtool(*arguments: str | Path) -> str:
    command = [binaries.debian("promtool"), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert not result.returncode, result.stdout + result.stderr
    return result.stdout


def test_rules_are_valid(rules: Path) -> None:
    """Promtool takes the rules and finds no two that are the same."""
    assert "SUCCESS: 11 rules found" in promtool("check", "rules", "--lint=all", "--lint-fatal", rules)


def test_queries_of_the_dashboard_are_valid(tmp_path: Path) -> None:
    """Promtool can read every query of the dashboard."""
    panels = json.loads((CHART / "files/dashboard.json").read_text())["panels"]
    queries = [query["expr"] for panel in panels for query in panel.get("targets", [])]
    records = [
        {"record": f"dashboard:{number}", "expr": query.replace("$__rate_interval", "5m")}
        for number, query in enumerate(queries)
    ]
    path = tmp_path / "dashboard.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": records}]}))

    assert f"SUCCESS: {len(queries)} rules found" in promtool("check", "rules", path)


PHASE = "pulltrace_pull_phase_duration_seconds"
DAY = 1440
"""Minutes."""


def registry(bytes_a_minute: str, minutes: int = DAY + 60) -> dict[str, str]:
    """Return a registry that gives so many bytes a minute, in one pull a minute of 30 s of downloading."""
    labels = f'{FIRST},registry="registry.test"'
    return {
        f"pulltrace_downloaded_bytes_total{{{labels}}}": bytes_a_minute,
        f'{PHASE}_sum{{{labels},phase="download"}}': f"0+30x{minutes}",
        f'{PHASE}_count{{{labels},phase="download"}}': f"0+1x{minutes}",
    }


@pytest.mark.parametrize(
    ("series", "alert", "fires"),
    [
        ({f"pulltrace_build_info{{{FIRST}}}": "1x60"}, "PulltraceDown", False),
        ({'pulltrace_build_info{namespace="other"}': "1x60"}, "PulltraceDown", True),
        (
            {f"pulltrace_leader{{{FIRST}}}": "1x20 0x40", f"pulltrace_leader{{{SECOND}}}": "0x21 1x39"},
            "PulltraceHasNoLeader",
            False,
        ),
        ({f"pulltrace_leader{{{FIRST}}}": "0x60"}, "PulltraceHasNoLeader", True),
        ({f"pulltrace_agent_reports_total{{{FIRST}}}": "9+1x60"}, "PulltraceHearsNoAgents", False),
        ({f"pulltrace_agent_reports_total{{{FIRST}}}": "9x60"}, "PulltraceHearsNoAgents", True),
        ({f'pulltrace_node_last_report_age_seconds{{{FIRST},node="a"}}': "150x60"}, "PulltraceAgentSilent", False),
        ({f'pulltrace_node_last_report_age_seconds{{{FIRST},node="a"}}': "0+60x60"}, "PulltraceAgentSilent", True),
        ({f"pulltrace_lease_decode_errors_total{{{FIRST}}}": "9x60"}, "PulltraceUnreadableLeases", False),
        ({f"pulltrace_lease_decode_errors_total{{{FIRST}}}": "9+1x60"}, "PulltraceUnreadableLeases", True),
        ({f"pulltrace_report_interval_seconds{{{FIRST}}}": "15x60"}, "PulltraceWritesThrottled", False),
        ({f"pulltrace_report_interval_seconds{{{FIRST}}}": "30x60"}, "PulltraceWritesThrottled", True),
        ({f"pulltrace_nodes_failing{{{FIRST}}}": "2x60"}, "ImagePullsFailOnManyNodes", False),
        ({f"pulltrace_nodes_failing{{{FIRST}}}": "3x60"}, "ImagePullsFailOnManyNodes", True),
        (
            {f"pulltrace_pull_errors_total{{{FIRST}}}": "0+1x60", f"pulltrace_pulls_total{{{FIRST}}}": "0+9x60"},
            "ImagePullsFail",
            False,
        ),
        (
            {f"pulltrace_pull_errors_total{{{SECOND}}}": "0+1x60", f"pulltrace_pulls_total{{{FIRST}}}": "0+2x60"},
            "ImagePullsFail",
            True,
        ),
        ({f"pulltrace_pulls_stalled{{{FIRST}}}": "1 1 1 0x57"}, "ImagePullsStalled", False),
        ({f"pulltrace_pulls_stalled{{{FIRST}}}": "1x60"}, "ImagePullsStalled", True),
        (
            {f'{BUCKET}{{{FIRST},le="600"}}': "0+9x60", f'{BUCKET}{{{FIRST},le="+Inf"}}': "0+9x60"},
            "ImagePullsSlow",
            False,
        ),
        (
            {
                f'{BUCKET}{{{FIRST},le="600"}}': "0+1x60",
                f'{BUCKET}{{{FIRST},le="1800"}}': "0+2x60",
                f'{BUCKET}{{{FIRST},le="+Inf"}}': "0+2x60",
            },
            "ImagePullsSlow",
            True,
        ),
    ],
)
def test_alert(series: dict[str, str], alert: str, fires: bool, rules: Path, tmp_path: Path) -> None:  # noqa: FBT001
    """After 50 minutes of such values the alert fires, or does not."""
    ask(rules, tmp_path, series, alert, fires=fires, at="50m")


@pytest.mark.parametrize(
    ("bytes_a_minute", "fires"),
    [
        (f"0+300x{DAY + 60}", False),
        (f"0+300x{DAY} {300 * DAY}+100x60", True),
        (f"0+300x{DAY} {300 * DAY}+200x60", False),
    ],
)
def test_registry_is_slow_against_its_own_day(
    bytes_a_minute: str,
    fires: bool,  # noqa: FBT001
    rules: Path,
    tmp_path: Path,
) -> None:
    """A registry that gives a third of what it gave for a day is slow; one that gives two thirds is not."""
    ask(rules, tmp_path, registry(bytes_a_minute), "RegistrySlow", fires=fires, at=f"{DAY + 59}m")


def ask(rules: Path, folder: Path, series: dict[str, str], alert: str, *, fires: bool, at: str) -> None:
    """Whether the alert fires at that time, by promtool's word."""
    firing = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)'
    expected: list[dict[str, Any]] = [{"labels": "{}", "value": int(fires)}]
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [{"expr": firing, "eval_time": at, "exp_samples": expected}],
    }
    path = folder / "test.yaml"
    path.write_text(yaml.safe_dump({"rule_files": [str(rules)], "evaluation_interval": "1m", "tests": [test]}))

    promtool("test", "rules", path)


def test_text_of_an_alert(rules: Path, tmp_path: Path) -> None:
    """Names and figures are in the text, and the text leads to the runbook."""
    node = f'pulltrace_node_last_report_age_seconds{{{FIRST},node="node-7"}}'
    expected = {
        "exp_labels": {"severity": "warning", "node": "node-7"},
        "exp_annotations": {
            "summary": "An agent of Pulltrace is not reporting.",
            "description": "Node node-7 has not reported for 1h 0m 0s; its pulls are stale.",
            "runbook_url": "https://d44b.github.io/pulltrace/monitoring/#pulltraceagentsilent",
        },
    }
    test = {
        "interval": "1m",
        "input_series": [{"series": node, "values": "3600x20"}],
        "alert_rule_test": [{"eval_time": "10m", "alertname": "PulltraceAgentSilent", "exp_alerts": [expected]}],
    }
    path = tmp_path / "test.yaml"
    path.write_text(yaml.safe_dump({"rule_files": [str(rules)], "evaluation_interval": "1m", "tests": [test]}))

    promtool("test", "rules", path)
