"""Rules and dashboard speak of metrics that exist."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from pulltrace.aggregator.metrics import sample_registry
from tests.cluster import binaries
from tests.deploy.manifests import CHART, KUSTOMIZE

FILES = (
    CHART / "templates/monitoring/prometheusrule.yaml",
    CHART / "files/dashboard.json",
    CHART / "files/test.py.txt",
)


def exported() -> set[str]:
    """The names of all series that the aggregator exports."""
    page = generate_latest(sample_registry()).decode()
    return set(re.findall(r"^(pulltrace_\w+)", page, re.MULTILINE))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_metrics_exist(path: Path) -> None:
    """Every metric that is asked for is one that the aggregator exports."""
    asked = set(re.findall(r"\bpulltrace_\w+", path.read_text()))

    assert asked
    assert asked - exported() == set()


@pytest.mark.real("promtool")
def test_promtool_finds_nothing_to_say() -> None:
    """`promtool check metrics` is silent about names, types, labels and help texts of all families."""
    command = [str(binaries.debian("promtool")), "check", "metrics"]
    page = generate_latest(sample_registry())
    told = subprocess.run(command, input=page, capture_output=True, timeout=30, check=False)

    assert (told.returncode, told.stdout, told.stderr) == (0, b"", b"")


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
