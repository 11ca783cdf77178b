"""Signatures of a release: of images and chart, of their bills of materials, and of the files that people download.

    python -m tools.release.signing OUT images ghcr.io/d44b/pulltrace-agent@sha256:… …    # SBOMs are found in OUT
    python -m tools.release.signing OUT files                                              # every file of OUT

Without flags, cosign signs by the identity of the workflow that runs it, without a key. Each signature is kept
with what it signs, in the registry, and as a bundle beside the files: `NAME.sigstore.json`.
docs/verify.md says how to verify them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from tools.release.programs import run

BUNDLE = ".sigstore.json"


def sign_image(target: Path, image: str, flags: Sequence[str] = ()) -> None:
    """Sign an image or a chart of a registry, and attest the bills of materials that the folder has of it."""
    if "@sha256:" not in image:
        raise SystemExit(f"{image} is not named by digest: what it is could change before it is signed")
    name = image.partition("@")[0].rpartition("/")[2]
    run("cosign", "sign", "--yes", *flags, "--bundle", target / f"{name}{BUNDLE}", image)
    for document in sorted(target.glob(f"{name}-linux-*.spdx.json")):
        attested = document.with_name(f"{document.name.removesuffix('.json')}.attestation{BUNDLE}")
        what: list[str | Path] = ["--type", "spdxjson", "--predicate", document, "--bundle", attested]
        run("cosign", "attest", "--yes", *flags, *what, image)


def sign_files(target: Path, flags: Sequence[str] = ()) -> None:
    """Sign every file of a folder that is not a signature itself."""
    for path in sorted(target.iterdir()):
        if not path.name.endswith(BUNDLE):
            run("cosign", "sign-blob", "--yes", *flags, "--bundle", f"{path}{BUNDLE}", path)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    if sys.argv[2] == "files":
        sign_files(folder)
    for one in sys.argv[3:]:
        sign_image(folder, one)
