"""tools.release.version: one version everywhere, written and checked by one command."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest

import pulltrace
from tools.release import version

DAY = date(2026, 11, 24)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Provide a copy of all files that name the version."""
    for name in (*version.PLACES, "CHANGELOG.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(version.ROOT / name, tmp_path / name)
    return tmp_path


def test_all_files_name_one_version() -> None:
    """Package, chart, images, kustomize and documentation name the version of the code, each at least once."""
    assert version.found() == {name: {pulltrace.__version__} for name in version.PLACES}


def test_nothing_else_names_it() -> None:
    """The web UI's package has no version of its own."""
    assert '"version": "0.0.0"' in (version.ROOT / "web/package.json").read_text()


def test_write(root: Path) -> None:
    """One command changes every place, and closes the section of the changelog."""
    version.write("9.8.7", DAY, root)

    assert version.found(root) == {name: {"9.8.7"} for name in version.PLACES}
    assert version.check("v9.8.7", root) == []
    assert "## [Unreleased]\n\n## [9.8.7] - 2026-11-24\n" in (root / "CHANGELOG.md").read_text()


def test_write_twice(root: Path) -> None:
    """The same again changes nothing."""
    version.write("9.8.7", DAY, root)
    before = {name: (root / name).read_text() for name in (*version.PLACES, "CHANGELOG.md")}
    version.write("9.8.7", DAY, root)

    assert {name: (root / name).read_text() for name in before} == before


def test_check_names_what_is_wrong(root: Path) -> None:
    """A tag that does not go with the files is refused, with each of them named."""
    version.write("9.8.7", DAY, root)

    wrong = version.check("v9.8.8", root)

    assert len(wrong) == len(version.PLACES) + 1
    assert "pulltrace/__init__.py has 9.8.7" in wrong


def test_file_without_a_version_is_found(root: Path) -> None:
    """A place from which the version has gone is an error, not a match."""
    (root / "docs/verify.md").write_text("nothing\n")

    assert "docs/verify.md has no version" in version.check(f"v{pulltrace.__version__}", root)
