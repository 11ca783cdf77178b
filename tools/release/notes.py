"""The text of a release, from CHANGELOG.md: its page, and the list on Artifact Hub.

    python -m tools.release.notes 0.2.0        # the section, as Markdown

`changes` makes the second, for the chart.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

CHANGELOG = Path(__file__).parents[2] / "CHANGELOG.md"
KINDS = frozenset({"added", "changed", "deprecated", "removed", "fixed", "security"})
"""The headings of Keep a Changelog are the kinds of Artifact Hub."""


def section(changelog: str, version: str) -> str:
    """Return the Markdown below the heading of a version; raises SystemExit when there is nothing."""
    found = re.search(rf"^## \[{re.escape(version)}\].*\n((?:(?!## \[).*\n?)*)", changelog, re.MULTILINE)
    if not found or not found[1].strip():
        raise SystemExit(f"CHANGELOG.md has no entry for {version}")
    return found[1].strip() + "\n"


def changes(notes: str) -> str:
    """Return the same as the annotation `artifacthub.io/changes`: JSON is YAML."""
    kind, listed = "changed", []
    for line in re.sub(r"\n {2,}(?=\S)", " ", notes).splitlines():
        if heading := re.match(r"### (\w+)", line):
            kind = heading[1].lower() if heading[1].lower() in KINDS else "changed"
        elif item := re.match(r"- (.+)", line):
            plain = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", item[1])
            listed.append({"kind": kind, "description": plain.replace("`", "")})
    return json.dumps(listed, indent=1, ensure_ascii=False)


if __name__ == "__main__":
    print(section(CHANGELOG.read_text(), sys.argv[1]), end="")
