"""The shape of the repository: where files may be, how long they may get, what may be imported."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.repository.files import ROOT, name_of, tracked

MODULE_LINES = 400
NOT_IN_THE_AGENT = (
    "aiohttp",
    "falcon",
    "kubernetes",
    "prometheus_client",
    "uvicorn",
    "pulltrace.aggregator",
    "pulltrace.server",
)


def test_cmd_holds_no_python() -> None:
    """A package `cmd` on the path would hide the standard library's module of that name."""
    assert not tracked("cmd/*.py", "cmd/**/*.py")


@pytest.mark.parametrize("path", tracked("pulltrace/*.py"), ids=name_of)
def test_module_stays_short(path: Path) -> None:
    """A module has one subject, and 400 lines are enough for one; generated code is not counted."""
    if "_pb2" not in path.name:
        assert len(path.read_text().splitlines()) <= MODULE_LINES


def test_requirements_are_locked_with_hashes_and_without_an_index() -> None:
    """An install takes the reviewed bytes of every package, from whichever index the machine uses."""
    locks = tracked("requirements/*.txt")
    assert {"agent.txt", "aggregator.txt", "all.txt", "dev.txt"} <= {lock.name for lock in locks}
    for lock in locks:
        text = lock.read_text()
        entries = re.split(r"\n(?=[A-Za-z0-9])", text.split("\n", 2)[2].strip())
        assert [entry for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []
        assert not re.search(r"://|--(extra-)?index|--find-links|--trusted-host", text), lock


def test_locks_agree_on_every_version() -> None:
    """The tests run the released versions: a package has one version in all lock files."""
    versions: dict[str, set[str]] = {}
    for lock in tracked("requirements/*.txt"):
        for name, version in re.findall(r"^([\w.-]+)==(\S+)", lock.read_text(), re.MULTILINE):
            versions.setdefault(name, set()).add(version)
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


def test_all_that_is_installed_is_audited() -> None:
    """`make audit` asks for the known vulnerabilities of every package that an image, a developer or the site has."""
    ini = (ROOT / "tox.ini").read_text()
    audited = {ROOT / name for name in re.findall(r"^ +pip-audit .*-r (\S+)$", ini, re.MULTILINE)}
    names = {
        lock: set(re.findall(r"^([\w.-]+)==", lock.read_text(), re.MULTILINE)) for lock in tracked("requirements/*.txt")
    }
    covered = set().union(*(names[lock] for lock in audited))

    assert "npm --prefix web audit" in ini
    assert {lock.name: found - covered for lock, found in names.items() if found - covered} == {}


@pytest.mark.parametrize("path", tracked(".github/*.yaml", ".github/*.yml"), ids=name_of)
def test_workflow_is_pinned_and_bounded(path: Path) -> None:
    """Actions are pinned by commit, nothing is permitted by default, and every job has a timeout."""
    text = path.read_text()
    if path.parent.name == "workflows":
        assert re.search(r"^permissions: \{\}$", text, re.MULTILINE)
        assert text.count("runs-on:") == text.count("timeout-minutes:")
    assert [use for use in re.findall(r"uses: (\S+)", text) if not re.search(r"@[0-9a-f]{40}$|^\./", use)] == []


@pytest.mark.skipif(not (ROOT / "pulltrace/agent/run.py").exists(), reason="the agent is not there yet")
def test_agent_loads_nothing_that_only_the_aggregator_needs() -> None:
    """The agent runs on every node: each megabyte that it loads is paid for thousands of times."""
    programs = "pulltrace.cli, pulltrace.agent.run, pulltrace.kube.client.h11_client, pulltrace.kube.resources.leases"
    code = f"import sys, {programs}; print(*[name for name in {NOT_IN_THE_AGENT} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert loaded.stdout.split() == []
