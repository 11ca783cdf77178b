"""The alerts: valid rules, which fire when they should, tried by Prometheus' own promtool."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.cluster import binaries
from tests.deploy.manifests import rendered, the

pytestmark = pytest.mark.real("promtool")

FIRST, SECOND = ('namespace="pulltrace",pod="a"', 'namespace="pulltrace",pod="b"')
"""Two replicas, the second of which leads after the first."""
BUCKET = "pulltrace_pull_duration_seconds_bucket"


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """The rules of the chart as Prometheus reads them."""
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
    assert "SUCCESS: 6 rules found" in promtool("check", "rules", "--lint=all", "--lint-fatal", rules)


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
        ({f"pulltrace_lease_decode_errors_total{{{FIRST}}}": "9x60"}, "PulltraceUnreadableLeases", False),
        ({f"pulltrace_lease_decode_errors_total{{{FIRST}}}": "9+1x60"}, "PulltraceUnreadableLeases", True),
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
    firing = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)'
    expected: list[dict[str, Any]] = [{"labels": "{}", "value": int(fires)}]
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [{"expr": firing, "eval_time": "50m", "exp_samples": expected}],
    }
    path = tmp_path / "test.yaml"
    path.write_text(yaml.safe_dump({"rule_files": [str(rules)], "evaluation_interval": "1m", "tests": [test]}))

    promtool("test", "rules", path)
