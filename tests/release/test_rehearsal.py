"""Two releases from a copy of the repository, by the commands that docs/releasing.md and the workflow give, in their
order.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from tests.cluster import binaries
from tests.deploy import manifests
from tests.release.conftest import DIGESTS
from tests.repository.files import ROOT, tracked

pytestmark = manifests.NEEDS_HELM

IMAGES = [f"{program}={digest}" for program, digest in DIGESTS.items()]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Provide a copy of what a release reads."""
    root = tmp_path / "pulltrace"
    for path in tracked("pulltrace", "deploy", "tools", "docs/install.md", "docs/verify.md", "CHANGELOG.md"):
        target = root / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    return root


def step(root: Path, module: str, *words: str | Path) -> str:
    """Return the output of a step."""
    programs = os.pathsep.join(
        [str(binaries.helm().parent), str(binaries.kubernetes("kubectl").parent), os.environ["PATH"]]
    )
    command: list[str | Path] = [sys.executable, "-m", f"tools.release.{module}", *words]
    environment = {**os.environ, "PATH": programs, "PYTHONPATH": str(root)}
    result = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    assert not result.returncode, result.stderr
    return result.stdout.strip()


def release(root: Path, version: str, remote: Path) -> None:
    """Run the workflow's steps that do not need GitHub."""
    out = root / "out" / version
    step(root, "version", version)
    step(root, "version", "--check", f"v{version}")
    assert step(root, "notes", version)
    packed = step(root, "chart", "pack", out, *IMAGES)
    step(root, "overlay", out, *IMAGES)
    step(root, "pages", remote, "chart", packed)


def test_two_releases(copy: Path, tmp_path: Path) -> None:
    """Both charts are listed in the end, each with its own version, changes and images; the manifests have
    the second.
    """
    remote = tmp_path / "remote.git"
    subprocess.run(["git", "init", "--quiet", "--bare", remote], check=True)
    release(copy, "9.8.7", remote)
    changelog = copy / "CHANGELOG.md"
    changelog.write_text(
        changelog.read_text().replace("## [Unreleased]\n", "## [Unreleased]\n\n### Fixed\n\n- It.\n", 1)
    )
    release(copy, "9.9.0", remote)

    index = subprocess.run(
        ["git", "-C", remote, "show", "gh-pages:charts/index.yaml"], capture_output=True, text=True, check=True
    )
    listed = yaml.safe_load(index.stdout)["entries"]["pulltrace"]
    assert [one["version"] for one in listed] == ["9.9.0", "9.8.7"]
    assert [one["appVersion"] for one in listed] == ["9.9.0", "9.8.7"]
    changes = [yaml.safe_load(one["annotations"]["artifacthub.io/changes"]) for one in listed]
    assert changes[0] == [{"kind": "fixed", "description": "It."}]
    assert len(changes[1]) > 5
    for one in listed:
        assert f"pulltrace-agent:{one['version']}@{DIGESTS['agent']}" in one["annotations"]["artifacthub.io/images"]
    assert "ref=v9.9.0" in (copy / "out/9.9.0/kustomization.yaml").read_text()
    assert f"pulltrace-agent@{DIGESTS['agent']}" in (copy / "out/9.9.0/pulltrace.yaml").read_text()
