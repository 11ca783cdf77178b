"""The objects that `kubectl apply` installs of a release, with images pinned by digest.

    python -m tools.release.overlay OUT agent=sha256:… aggregator=sha256:…

Two files: `kustomization.yaml`, an overlay to build upon, which names the tag in the repository; and `pulltrace.yaml`,
everything in one file.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pulltrace
from tools.release.chart import pairs
from tools.release.programs import run

KUSTOMIZE = Path(__file__).parents[2] / "deploy/kustomize"
REPOSITORY = "https://github.com/d44b/pulltrace"
IMAGES = "ghcr.io/d44b/pulltrace-"


def overlay(base: str, digests: Mapping[str, str]) -> str:
    """Return a kustomization of a base, with pinned images."""
    images = "".join(
        f"  - name: {IMAGES}{program}\n    digest: {digest}\n" for program, digest in sorted(digests.items())
    )
    head = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
    return f"{head}resources:\n  - {base}\nimages:\n{images}"


def write(target: Path, digests: Mapping[str, str], version: str = pulltrace.__version__) -> None:
    """Write both files into a folder."""
    target.mkdir(parents=True, exist_ok=True)
    remote = f"{REPOSITORY}//deploy/kustomize/overlays/default?ref=v{version}"
    (target / "kustomization.yaml").write_text(overlay(remote, digests))
    with tempfile.TemporaryDirectory() as folder:
        local = os.path.relpath(KUSTOMIZE / "overlays/default", Path(folder).resolve())
        (Path(folder) / "kustomization.yaml").write_text(overlay(local, digests))
        (target / "pulltrace.yaml").write_text(run("kubectl", "kustomize", folder))


if __name__ == "__main__":
    write(Path(sys.argv[1]), pairs(sys.argv[2:]))
