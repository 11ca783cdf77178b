"""The files for newcomers: contact, reports, contributions, and a picture for shared links."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.cluster import binaries
from tests.repository.files import ROOT, name_of, tracked
from tools import social_preview

COMMUNITY = ("CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "GOVERNANCE.md", "LICENSE", "SECURITY.md", "SUPPORT.md")
FORMS = tracked(".github/ISSUE_TEMPLATE/*.yaml")


def size(picture: Path) -> tuple[int, ...]:
    """Return width and height of a PNG in pixels, by its header."""
    head = picture.read_bytes()[:24]
    assert head.startswith(b"\x89PNG\r\n\x1a\n")
    return struct.unpack(">II", head[16:])


@pytest.mark.parametrize("name", [*COMMUNITY, ".github/CODEOWNERS", ".github/PULL_REQUEST_TEMPLATE.md"])
def test_community_file_exists(name: str) -> None:
    """Each file of GitHub's community profile exists and is not empty."""
    assert (ROOT / name).read_text().strip()


@pytest.mark.parametrize("name", [name for name in COMMUNITY if name not in {"LICENSE", "CONTRIBUTING.md"}])
def test_contributing_links_to(name: str) -> None:
    """CONTRIBUTING.md leads to each of the others."""
    assert f"({name})" in (ROOT / "CONTRIBUTING.md").read_text()


def test_security_says_how_and_what_is_promised() -> None:
    """SECURITY.md has a private way to report a vulnerability, and the time until an answer."""
    text = (ROOT / "SECURITY.md").read_text()

    assert "/security/advisories/new" in text
    assert re.search(r"answer within \d+ days", text)
    assert "Supported versions" in text


@pytest.mark.parametrize("path", FORMS, ids=name_of)
def test_issue_form_is_one_that_github_takes(path: Path) -> None:
    """A form has a name, a description, and fields with ids of their own and a label."""
    form: dict[str, Any] = yaml.safe_load(path.read_text())
    fields = [one for one in form["body"] if one["type"] != "markdown"]

    assert form["name"]
    assert form["description"]
    assert {one["type"] for one in fields} <= {"textarea", "input", "dropdown", "checkboxes"}
    assert len({one["id"] for one in fields}) == len(fields)
    assert all(one["attributes"]["label"] for one in fields)
    assert any(one.get("validations", {}).get("required") for one in fields)


def test_issues_have_forms() -> None:
    """There is one for bugs and one for wishes, and an empty issue cannot be opened."""
    config = yaml.safe_load((ROOT / ".github/ISSUE_TEMPLATE/config.yml").read_text())

    assert {path.stem for path in FORMS} == {"bug", "feature"}
    assert config["blank_issues_enabled"] is False


def test_preview_is_what_github_takes() -> None:
    """The picture for shared links has GitHub's size and weight, and CONTRIBUTING.md names its place."""
    picture = social_preview.SOURCE.with_suffix(".png")

    assert size(picture) == (social_preview.WIDTH, social_preview.HEIGHT) == (1280, 640)
    assert picture.stat().st_size < social_preview.MOST_BYTES
    assert "Social preview" in (ROOT / "CONTRIBUTING.md").read_text()


def test_preview_is_legible_when_small() -> None:
    """At a quarter of its width, as in a chat, the smallest letters are still 9 pixels high or so."""
    sizes = [int(found) for found in re.findall(r'font-size="(\d+)"', social_preview.SOURCE.read_text())]

    assert min(sizes) >= 36


@pytest.mark.real("chromium")
def test_preview_can_be_rendered(tmp_path: Path) -> None:
    """The script makes the picture from the SVG, with Debian's browser."""
    social_preview.render(tmp_path / "preview.png", str(binaries.debian("chromium")))

    assert size(tmp_path / "preview.png") == (1280, 640)
