"""D21: agents and aggregators of two versions. The Leases in tests/recorded/leases are those of the version before.

Agents beside a real containerd wrote them, and a real API server returned them. When the format changes in a release,
the Leases of the release before stay here, and the tests go on holding both directions.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pulltrace.pulls.lease_format.annotations import NODE, PULL_PREFIX, RECENT, decode, encode
from pulltrace.pulls.model import NodeReport, Phase
from tests.builders.pulls import pull
from tests.faults.stage import Stage

RECORDED = sorted((Path(__file__).parents[1] / "recorded" / "leases").glob("*.json"))
lease_of_each_kind = pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)


def ours(path: Path) -> dict[str, str]:
    annotations: dict[str, str] = json.loads(path.read_text())["metadata"]["annotations"]
    return annotations


def test_d21_leases_of_the_version_before() -> None:
    """An idle node, one that pulls, and one with history and a failure."""
    assert [path.stem for path in RECORDED] == ["0.1-ended", "0.1-idle", "0.1-pulling"]


@lease_of_each_kind
def test_d21_old_agent_new_aggregator(path: Path) -> None:
    """The Lease of an agent of the version before is read without a problem, and nothing of it is lost."""
    annotations = ours(path)
    report = decode(annotations)
    running = {
        key.removeprefix(PULL_PREFIX): json.loads(text) for key, text in annotations.items() if PULL_PREFIX in key
    }
    recent = json.loads(annotations.get(RECENT, "[]"))

    assert report.problems == ()
    assert {one.id: (one.phase, one.total_bytes, one.downloaded_bytes) for one in report.pulls} == {
        name: (entry["phase"], entry.get("total"), entry.get("done", 0)) for name, entry in running.items()
    }
    assert [(one.id, one.phase, list(one.names or one.repositories)) for one in report.recent] == [
        (entry["id"], entry["phase"], entry.get("names") or entry.get("repo", [])) for entry in recent
    ]
    assert all(one.layers for one in report.pulls)


@lease_of_each_kind
def test_d21_new_agent_old_aggregator(path: Path) -> None:
    """For the same state an agent of this version writes all that the one before wrote, in the same form."""
    annotations = ours(path)
    now = encode(decode(annotations))

    assert now.keys() >= {key for key in annotations if key.startswith(PULL_PREFIX) or key in {NODE, RECENT}}
    for key in now.keys() & annotations.keys() - {"pulltrace.io/summary"}:
        missing = _missing(json.loads(annotations[key]), json.loads(now[key]))
        assert missing == [], key


@pytest.mark.real("etcd", "openssl")
def test_d21_newer_agent(stage: Stage, tmp_path: Path) -> None:
    """A newer agent's additions are ignored, its entries in another version are left out and counted, the rest is
    shown.
    """
    stage.report("node-1", NodeReport(pulls=(pull(1),)))
    key = f"{PULL_PREFIX}{1:012x}"
    more = {**json.loads(stage.leases()["node-1"]["metadata"]["annotations"][key]), "priority": {"class": "x"}}
    newer = {key: json.dumps(more), f"{PULL_PREFIX}{2:012x}": '{"v":2,"state":"pulling"}', "pulltrace.io/queue": "[]"}
    stage.report("node-1", NodeReport(), more=newer)
    stage.report("node-2", NodeReport(pulls=(pull(3),)))
    with stage.aggregator(tmp_path) as aggregator:
        rows = aggregator.wait_for(lambda rows: len(rows) == 2, "the rows that can be read")
        aggregator.process.wait_until(lambda: aggregator.metrics()["pulltrace_leader"], "it to lead")
        log = aggregator.process.log.read_text()

    assert {(row["nodeName"], row["phase"]) for row in rows} == {
        ("node-1", Phase.DOWNLOADING),
        ("node-2", Phase.DOWNLOADING),
    }
    assert "000000000002: format version '2'; this reader knows 1" in log


def _missing(before: Any, now: Any) -> list[str]:
    """Return the old values that are missing or changed."""
    if isinstance(before, dict):
        return [name for name, value in before.items() if name not in now or _missing(value, now[name])]
    if isinstance(before, list):
        pairs = zip(before, now, strict=False)
        return [f"{len(before)} entries"] * (len(before) != len(now)) + [
            name for a, b in pairs for name in _missing(a, b)
        ]
    return [] if before == now else [str(before)]
