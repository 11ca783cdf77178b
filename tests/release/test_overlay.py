"""tools.release.overlay: the objects that kubectl installs of a release."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from tests.cluster import binaries
from tests.deploy import manifests
from tests.deploy.manifests import pod_of
from tests.release.conftest import DIGESTS
from tools.release import overlay


def test_overlay_to_build_upon() -> None:
    """The overlay of a release names its base and pins both images."""
    made = yaml.safe_load(overlay.overlay("base", DIGESTS))

    assert made["resources"] == ["base"]
    assert made["images"] == [
        {"name": f"ghcr.io/d44b/pulltrace-{program}", "digest": digest} for program, digest in DIGESTS.items()
    ]


@manifests.NEEDS_HELM
def test_everything_in_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file has the objects of the default overlay, with images by digest instead of tag."""
    monkeypatch.setenv("PATH", f"{binaries.kubernetes('kubectl').parent}:{os.environ['PATH']}")
    overlay.write(tmp_path, DIGESTS, "9.8.7")

    found = manifests.objects((tmp_path / "pulltrace.yaml").read_text())
    usual = manifests.kustomized(manifests.KUSTOMIZE / "overlays/default")
    assert found.keys() == usual.keys()
    assert {
        container["image"]
        for one in found.values()
        if one["kind"] in {"DaemonSet", "Deployment"}
        for container in pod_of(one)["containers"]
    } == {f"ghcr.io/d44b/pulltrace-{program}@{digest}" for program, digest in DIGESTS.items()}
    assert "ref=v9.8.7" in (tmp_path / "kustomization.yaml").read_text()
