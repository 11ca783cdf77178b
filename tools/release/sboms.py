"""The software bills of materials of an image: one SPDX document for each platform.

    python -m tools.release.sboms OUT ghcr.io/d44b/pulltrace-agent@sha256:…

The images list what they are made of where scanners look (cmd/rootfs.sh), so the documents name Debian's
packages as well as Python's.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from tools.release.programs import run

PLATFORMS = ("linux/amd64", "linux/arm64")


def scan(target: Path, image: str, platforms: Sequence[str] = PLATFORMS) -> list[Path]:
    """Write the documents of an image, which is named by digest, into a folder."""
    target.mkdir(parents=True, exist_ok=True)
    name = image.partition("@")[0].rpartition("/")[2]
    written = []
    for platform in platforms:
        path = target / f"{name}-{platform.replace('/', '-')}.spdx.json"
        run("syft", "scan", f"registry:{image}", "--platform", platform, "--output", f"spdx-json={path}", "--quiet")
        written.append(path)
    return written


if __name__ == "__main__":
    for one in sys.argv[2:]:
        print(*scan(Path(sys.argv[1]), one), sep="\n")
