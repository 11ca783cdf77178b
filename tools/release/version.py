"""The version of everything: package, images, chart, kustomize and web UI have that of `pulltrace/__init__.py`.

    python -m tools.release.version 0.2.0              # write it to all places, and close the changelog's section
    python -m tools.release.version --check v0.2.0     # check the tag against all places

Nothing else names a version: the web UI gets it from the server, the images' tags are the chart's
appVersion, and `web/package.json` says 0.0.0.
"""

from __future__ import annotations

import argparse
import re
from datetime import date
from pathlib import Path

ROOT = Path(__file__).parents[2]
VERSION = r"[0-9]+\.[0-9]+\.[0-9]+(?:-[0-9A-Za-z.-]+)?"
PLACES = {
    "pulltrace/__init__.py": rf'^__version__ = "({VERSION})"$',
    "deploy/helm/pulltrace/Chart.yaml": rf'^(?:version: |appVersion: "|      image: \S+:)({VERSION})"?$',
    "deploy/kustomize/base/kustomization.yaml": rf"^    newTag: ({VERSION})$",
    "docs/install.md": rf"(?:\?ref=v|/pulltrace-\w+:)({VERSION})",
    "docs/verify.md": rf"^version=({VERSION})$",
}
"""Each file that names the version, and where in it."""
UNRELEASED = "## [Unreleased]\n"


def found(root: Path = ROOT) -> dict[str, set[str]]:
    """Return the versions that each place names."""
    return {name: set(re.findall(how, (root / name).read_text(), re.MULTILINE)) for name, how in PLACES.items()}


def check(tag: str, root: Path = ROOT) -> list[str]:
    """Return the places that do not match a tag such as v0.2.0, a line each."""
    wanted = tag.removeprefix("v")
    wrong = [
        f"{name} has {', '.join(sorted(its)) or 'no version'}" for name, its in found(root).items() if its != {wanted}
    ]
    if not re.search(
        rf"^## \[{re.escape(wanted)}\] - \d{{4}}-\d\d-\d\d$", (root / "CHANGELOG.md").read_text(), re.MULTILINE
    ):
        wrong.append(f"CHANGELOG.md has no section '## [{wanted}] - YYYY-MM-DD'")
    return wrong


def write(version: str, day: date, root: Path = ROOT) -> None:
    """Write the version everywhere; what was unreleased in the changelog is now of this version and day."""
    for name, how in PLACES.items():
        path = root / name
        path.write_text(
            re.sub(how, lambda match: match[0].replace(match[1], version), path.read_text(), flags=re.MULTILINE)
        )
    changelog = root / "CHANGELOG.md"
    text = changelog.read_text()
    if f"## [{version}]" not in text:
        changelog.write_text(text.replace(UNRELEASED, f"{UNRELEASED}\n## [{version}] - {day.isoformat()}\n", 1))


def main() -> None:
    parser = argparse.ArgumentParser(description="write or check the version of everything")
    parser.add_argument("version")
    parser.add_argument("--check", action="store_true", help="change nothing; the version may be a tag: v0.2.0")
    given = parser.parse_args()
    if not re.fullmatch(VERSION, given.version.removeprefix("v" if given.check else "")):
        parser.error(f"{given.version} is no version such as 0.2.0")
    if not given.check:
        write(given.version, date.today())  # noqa: DTZ011 - the day on which the maintainer does this
    elif wrong := check(given.version):
        raise SystemExit("\n".join(wrong))


if __name__ == "__main__":
    main()
