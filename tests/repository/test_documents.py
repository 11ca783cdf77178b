"""The documents: links with targets, and a changelog that matches the version."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

import pulltrace
from tests.repository.commands import of_page
from tests.repository.files import ROOT, name_of, tracked

LINK = re.compile(r"!?\[[^\]]*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)|^\[[^\]]+\]:\s*(\S+)", re.MULTILINE)
CODE = re.compile(r"^(```|~~~).*?^\1[`~]*$|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def headings(path: Path) -> set[str]:
    """Return the anchors of a Markdown file's headings, as GitHub makes them."""
    anchors: set[str] = set()
    text = re.sub(r"^(```|~~~).*?^\1[`~]*$", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    for title in re.findall(r"^#{1,6}\s+(.+?)\s*#*$", text, re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).lower()
        anchor = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        number = 1
        while (unique := anchor if number == 1 else f"{anchor}-{number - 1}") in anchors:
            number += 1
        anchors.add(unique)
    return anchors | set(re.findall(r"<a (?:name|id)=\"([^\"]+)\"", text))


def dead_links(path: Path, root: Path = ROOT) -> list[str]:
    """Return the relative links of a Markdown file that lead nowhere."""
    dead = []
    for found in LINK.finditer(CODE.sub("", path.read_text())):
        link = found[1] or found[2]
        if re.match(r"[a-z][a-z0-9+.-]*:", link):
            continue
        name, _, anchor = unquote(link).partition("#")
        target = (path.parent / name).resolve() if name else path
        if not target.exists() or not target.is_relative_to(root):
            dead.append(f"{link}: no such file")
        elif anchor and target.suffix == ".md" and anchor not in headings(target):
            dead.append(f"{link}: no such heading")
    return dead


@pytest.mark.parametrize("path", tracked("*.md"), ids=name_of)
def test_relative_links_lead_somewhere(path: Path) -> None:
    """A link from one document to another, or to a heading, has a target."""
    assert dead_links(path) == []


def test_dead_links_are_found(tmp_path: Path) -> None:
    """The check above sees missing files and headings, and leaves code and the web alone."""
    page = tmp_path / "page.md"
    page.write_text(
        "# A `b` & c\n[1](#a-b--c) [2](#nope) [3](gone.md) [4](https://example.com/x) `[5](gone.md)`\n"
        "```\n[6](gone.md)\n```\n[7]: other.md\n"
    )

    assert dead_links(page, tmp_path) == ["#nope: no such heading", "gone.md: no such file", "other.md: no such file"]


def test_changelog_has_the_version() -> None:
    """CHANGELOG.md has a section for what is not released yet, or for the version in the code."""
    sections = re.findall(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert {"Unreleased", pulltrace.__version__} & set(sections)
    assert len(sections) == len(set(sections))


def test_readme_leads_to_a_demo_and_to_an_install() -> None:
    """A reader of the README alone gets a running demo, and a real install that they can check."""
    commands = [command.text for command in of_page("README.md", (ROOT / "README.md").read_text())]

    assert "make demo" in commands
    assert any(command.startswith("helm install pulltrace ") for command in commands)
    assert any("port-forward service/pulltrace" in command for command in commands)
