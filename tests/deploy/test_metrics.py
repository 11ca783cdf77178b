"""Rules and dashboard use metrics that exist, and every alert links to its runbook."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from prometheus_client import generate_latest

from pulltrace.aggregator.metrics.counters import sample_registry
from tests.cluster import binaries
from tests.deploy.manifests import CHART, KUSTOMIZE, ROOT
from tests.repository.test_documents import headings
from tools.docs import metrics_page

UNITS = {"short", "s", "Bps", "ops", "percentunit"}
FILES = (
    CHART / "templates/monitoring/prometheusrule.yaml",
    CHART / "files/dashboard.json",
    CHART / "files/test.py.txt",
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_metrics_exist(path: Path) -> None:
    """Every metric that is asked for is one that the aggregator exports."""
    asked = set(re.findall(r"\bpulltrace_\w+", path.read_text()))

    assert asked
    assert asked - metrics_page.queryable() == set()


@pytest.mark.real("promtool")
def test_promtool_finds_nothing_to_say() -> None:
    """`promtool check metrics` is silent about names, types, labels and help texts of all families."""
    command = [str(binaries.debian("promtool")), "check", "metrics"]
    page = generate_latest(sample_registry())
    result = subprocess.run(command, input=page, capture_output=True, timeout=30, check=False)

    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")


def alerts() -> list[dict[str, Any]]:
    """Return the alerts of the kustomize component; the chart's are the same."""
    rules = yaml.safe_load((KUSTOMIZE / "components/monitoring/prometheusrule.yaml").read_text())
    return [rule for group in rules["spec"]["groups"] for rule in group["rules"]]


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: str(alert["alert"]))
def test_alert_has_instructions(alert: dict[str, Any]) -> None:
    """Each alert has a severity, a summary, a description, and a runbook that is there."""
    assert alert["labels"]["severity"] in {"critical", "warning", "info"}
    assert alert["annotations"].keys() == {"summary", "description", "runbook_url"}
    page, _, anchor = alert["annotations"]["runbook_url"].partition("#")
    assert page == "https://d44b.github.io/pulltrace/monitoring/"
    assert anchor == alert["alert"].lower()
    assert anchor in headings(ROOT / "docs/monitoring.md")


def test_every_runbook_has_its_alert() -> None:
    """No runbook is left of an alert that is gone."""
    section = (ROOT / "docs/monitoring.md").read_text().partition("## Alerts\n")[2]

    assert re.findall(r"^### (\w+)$", section, re.MULTILINE) == [alert["alert"] for alert in alerts()]


def test_dashboard_is_the_same_in_both_installs() -> None:
    """Kustomize may not read files of the chart, so it has a copy."""
    copy = KUSTOMIZE / "components/monitoring/pulltrace.json"

    assert copy.read_bytes() == (CHART / "files/dashboard.json").read_bytes()


def test_dashboard_panels_do_not_overlap() -> None:
    """Every panel has an id and a place of its own, within Grafana's 24 columns."""
    panels = json.loads((CHART / "files/dashboard.json").read_text())["panels"]
    places = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(places) == len(set(places))
    assert max(x for x, _ in places) < 24
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_dashboard_has_what_grafana_needs() -> None:
    """Every panel has a type that Grafana has, a title and a unit; every query has a place, a source and a legend."""
    dashboard = json.loads((CHART / "files/dashboard.json").read_text())
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]

    assert dashboard["uid"] == "pulltrace"
    assert dashboard["schemaVersion"] >= 39
    assert {panel["type"] for panel in panels} <= {"stat", "timeseries"}
    for panel in panels:
        assert panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
        assert [query["refId"] for query in panel["targets"]] == list("ABCDEFG"[: len(panel["targets"])])
        for query in panel["targets"]:
            assert query["datasource"] == panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert query["legendFormat"]
            assert 'namespace=~"$namespace"' in query["expr"]
    assert len({panel["title"] for panel in panels}) == len(panels)
