"""The workflows: errors that GitHub would refuse and risks that an attacker could use. zizmor runs in tox's lint."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.cluster import binaries
from tests.repository.files import ROOT, name_of, tracked

WORKFLOWS = tracked(".github/workflows/*.yaml")
MAY_WRITE = {
    ("docs.yaml", "publish"): {"contents"},
    ("release.yaml", "images"): {"attestations", "id-token", "packages"},
    ("release.yaml", "release"): {"attestations", "contents", "id-token", "packages"},
    ("release.yaml", "repository"): {"contents"},
    ("codeql.yaml", "analyze"): {"security-events"},
    ("scorecard.yaml", "analysis"): {"id-token", "security-events"},
}
"""The write permissions of each job; all other jobs have none."""
INLINE_LINES = 6
"""A longer script belongs into tools/, where tests can run it."""


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in read(path)["jobs"].values() for step in job.get("steps", [])]


def test_each_purpose_has_one() -> None:
    """CI, release, documentation, audit, static analysis and scorecard each have a workflow."""
    assert {path.stem for path in WORKFLOWS} == {"audit", "ci", "codeql", "docs", "release", "scorecard"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=name_of)
def test_rights_are_these(path: Path) -> None:
    """No job may write more than this list says."""
    for name, job in read(path)["jobs"].items():
        writes = {what for what, how in job["permissions"].items() if how == "write"}
        assert writes == MAY_WRITE.get((path.name, name), set()), name


@pytest.mark.parametrize("path", WORKFLOWS, ids=name_of)
def test_every_job_ends(path: Path) -> None:
    """Each job has a time limit; one that calls a workflow has those of its jobs."""
    for name, job in read(path)["jobs"].items():
        assert "uses" in job or 0 < job["timeout-minutes"] <= 90, name


@pytest.mark.parametrize("path", WORKFLOWS, ids=name_of)
def test_pins_say_their_version(path: Path) -> None:
    """Beside each commit is its version, so that people and robots can see when it is old."""
    uses = re.findall(r"uses: (\S+@[0-9a-f]{40})(.*)", path.read_text())

    assert [use for use, comment in uses if not re.fullmatch(r" # v\d+\.\d+\.\d+", comment)] == []


def test_an_action_has_one_version() -> None:
    """All workflows use the same commit of an action."""
    pins: dict[str, set[str]] = {}
    for path in WORKFLOWS:
        for action, commit in re.findall(r"uses: ([\w./-]+)@([0-9a-f]{40})", path.read_text()):
            pins.setdefault("/".join(action.split("/")[:2]), set()).add(commit)

    assert {action: commits for action, commits in pins.items() if len(commits) > 1} == {}


@pytest.mark.parametrize("path", WORKFLOWS, ids=name_of)
def test_scripts_are_short(path: Path) -> None:
    """A workflow's own steps are a few lines; the rest are commands that can be run here."""
    longest = max((len(step["run"].splitlines()) for step in steps(path) if "run" in step), default=0)

    assert longest <= INLINE_LINES


@pytest.mark.parametrize("path", WORKFLOWS, ids=name_of)
def test_modules_that_are_called_exist(path: Path) -> None:
    """A workflow calls only what is in the repository."""
    for module in re.findall(r"-m (t[\w.]+)", path.read_text()):
        name = ROOT / module.replace(".", "/")
        assert name.with_suffix(".py").exists() or (name / "__main__.py").exists(), module
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"make ([a-z][\w-]*)$", path.read_text(), re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_release_needs_ci() -> None:
    """Nothing is pushed before all of CI has passed for the tag, and nothing is released before the images
    are there.
    """
    jobs = read(ROOT / ".github/workflows/release.yaml")["jobs"]

    assert "ci" in jobs["images"]["needs"]
    assert {"images", "wheel"} <= set(jobs["release"]["needs"])
    assert "release" in jobs["repository"]["needs"]
    assert {jobs[name]["environment"] for name in ("images", "release")} == {"release"}


@pytest.mark.real("shellcheck")
def test_actionlint_finds_nothing() -> None:
    """actionlint, with shellcheck for the scripts, takes every workflow."""
    program = binaries.built(binaries.ACTIONLINT, "actionlint")
    command: list[str | Path] = [program, "-shellcheck", binaries.debian("shellcheck"), *WORKFLOWS]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)

    assert (result.returncode, result.stdout) == (0, "")
