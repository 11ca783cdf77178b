"""tools.release.notes: the text of a release."""

from __future__ import annotations

import json

import pytest

from tools.release import notes

CHANGELOG = """\
# Changelog

## [Unreleased]

## [0.2.0] - 2026-11-24

### Added

- A page of [nodes](docs/x.md), with `rates`
  in two lines.

### Fixed

- Something.

## [0.1.0] - 2026-10-01

- Old.
"""


def test_section() -> None:
    """The text of a version ends where the next one begins."""
    text = notes.section(CHANGELOG, "0.2.0")

    assert text.startswith("### Added\n")
    assert text.endswith("- Something.\n")


def test_last_section() -> None:
    """The oldest version reaches to the end."""
    assert notes.section(CHANGELOG, "0.1.0") == "- Old.\n"


@pytest.mark.parametrize("version", ["0.3.0", "Unreleased", "0.2"])
def test_nothing_to_say(version: str) -> None:
    """A version without a section, or with an empty one, cannot be released."""
    with pytest.raises(SystemExit, match="has no entry"):
        notes.section(CHANGELOG, version)


def test_changes() -> None:
    """Artifact Hub gets each entry with its kind, as plain text."""
    assert json.loads(notes.changes(notes.section(CHANGELOG, "0.2.0"))) == [
        {"kind": "added", "description": "A page of nodes, with rates in two lines."},
        {"kind": "fixed", "description": "Something."},
    ]
