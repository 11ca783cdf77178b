"""The chart of a release: packed with the data of the release, and pushed as an OCI artefact.

    python -m tools.release.chart pack OUT agent=sha256:… aggregator=sha256:…      # prints the path of the .tgz
    python -m tools.release.chart push FILE oci://ghcr.io/d44b/charts              # prints the digest

The data of the release are the changes since the last one (CHANGELOG.md) and the digests of the images.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tools.release import notes
from tools.release.programs import run

CHART = Path(__file__).parents[2] / "deploy/helm/pulltrace"


def annotated(chart: str, changes: str, digests: Mapping[str, str]) -> str:
    """Return Chart.yaml with the changes, and the images that it names pinned by digest."""
    for program, digest in digests.items():
        chart, count = re.subn(rf"(image: \S+/pulltrace-{program}:\S+)", rf"\1@{digest}", chart)
        if count != 1:
            raise SystemExit(f"Chart.yaml names the image of the {program} {count} times")
    if "artifacthub.io/changes" in chart or not chart.rstrip().split("\nannotations:\n", 1)[1:]:
        raise SystemExit("Chart.yaml must end with its annotations, and have no changes yet")
    indented = "\n".join(f"    {line}" for line in changes.splitlines())
    return f"{chart.rstrip()}\n  artifacthub.io/changes: |\n{indented}\n"


def pack(target: Path, digests: Mapping[str, str], chart: Path = CHART, changelog: Path = notes.CHANGELOG) -> Path:
    """Return the packed chart in a folder."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / chart.name
        shutil.copytree(chart, copy)
        text = (copy / "Chart.yaml").read_text()
        version = re.findall(r"^version: (\S+)$", text, re.MULTILINE)[0]
        changes = notes.changes(notes.section(changelog.read_text(), version))
        (copy / "Chart.yaml").write_text(annotated(text, changes, digests))
        target.mkdir(parents=True, exist_ok=True)
        run("helm", "package", copy, "--destination", target)
    return target / f"{chart.name}-{version}.tgz"


def push(packed: Path, registry: str, *flags: str) -> str:
    """Return the digest of the chart in the registry."""
    output = run("helm", "push", packed, registry, *flags)
    found = re.search(r"^Digest: (sha256:[0-9a-f]{64})$", output, re.MULTILINE)
    if not found:
        raise SystemExit(f"helm push printed no digest:\n{output}")
    return found[1]


def pairs(words: list[str]) -> dict[str, str]:
    """Return the pairs of arguments such as `agent=sha256:…`."""
    given = dict(word.split("=", 1) for word in words)
    if wrong := [word for word in words if not re.search(r"=sha256:[0-9a-f]{64}$", word)]:
        raise SystemExit(f"{wrong[0]} is not of the form PROGRAM=sha256:DIGEST")
    return given


if __name__ == "__main__":
    if sys.argv[1] == "pack":
        print(pack(Path(sys.argv[2]), pairs(sys.argv[3:])))
    else:
        print(push(Path(sys.argv[2]), *sys.argv[3:]))
