"""tools.release.chart: the chart as a release publishes it, and what Artifact Hub reads in it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

import pulltrace
from tests.deploy import manifests
from tests.release.conftest import DIGESTS
from tools.release import chart

CHANGES = '[{"kind": "added", "description": "All of it."}]'
KINDS = {"added", "changed", "deprecated", "removed", "fixed", "security"}
CATEGORIES = {
    *("ai-machine-learning", "database", "integration-delivery", "monitoring-logging", "networking", "security"),
    *("storage", "streaming-messaging", "skip-prediction"),
}
"""The categories of Artifact Hub, which ignores others."""


PODS = ("DaemonSet", "Deployment", "Pod")


def without_images(found: dict[manifests.Key, manifests.Object]) -> dict[manifests.Key, manifests.Object]:
    return {key: manifests.without(one, ["image"]) for key, one in found.items()}


def packed_metadata(packed: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(manifests.helm("show", "chart", packed))
    return found


@pytest.fixture
def changelog(tmp_path: Path) -> Path:
    """Provide a changelog with a section for this version."""
    path = tmp_path / "CHANGELOG.md"
    path.write_text(f'## [{pulltrace.__version__}] - 2026-11-24\n\n### Added\n\n- All of it: "quoted", and 50 %.\n')
    return path


def test_annotations_are_what_artifact_hub_takes() -> None:
    """Category, licence, links, images and screenshots have the form that Artifact Hub's documentation asks for."""
    annotations = yaml.safe_load((chart.CHART / "Chart.yaml").read_text())["annotations"]
    read = {name.removeprefix("artifacthub.io/"): yaml.safe_load(text) for name, text in annotations.items()}

    assert read["category"] in CATEGORIES
    assert read["license"] == "Apache-2.0"
    assert isinstance(read["prerelease"], bool)
    assert isinstance(read["containsSecurityUpdates"], bool)
    assert all(one.keys() == {"name", "url"} for one in read["links"])
    assert all(one.keys() == {"title", "url"} for one in read["screenshots"])
    for image in read["images"]:
        assert image["platforms"] == ["linux/amd64", "linux/arm64"]
        assert image["image"] == f"ghcr.io/d44b/{image['name']}:{pulltrace.__version__}"
    assert set(annotations) == {f"artifacthub.io/{name}" for name in read}


def test_pictures_are_in_the_repository() -> None:
    """Icon and screenshots are files of the main branch."""
    text = (chart.CHART / "Chart.yaml").read_text() + (chart.CHART / "README.md").read_text()

    for name in re.findall(r"https://raw\.githubusercontent\.com/d44b/pulltrace/main/([^\s)]+)", text):
        assert (manifests.ROOT / name).is_file(), name


def test_readme_has_no_relative_links() -> None:
    """The chart's page is read on Artifact Hub, where no other file of the repository is."""
    links = re.findall(r"\]\(([^)]+)\)", (chart.CHART / "README.md").read_text())

    assert links
    assert [link for link in links if not link.startswith("https://")] == []


def test_repository_names_its_owner() -> None:
    """Artifact Hub's file for the Helm repository has an owner with an address."""
    owners = yaml.safe_load((manifests.ROOT / "deploy/helm/artifacthub-repo.yml").read_text())["owners"]

    assert all(owner["name"] and "@" in owner["email"] for owner in owners)


def test_annotated() -> None:
    """A release pins the images and adds the changes, and leaves all else as it is."""
    text = (chart.CHART / "Chart.yaml").read_text()
    before, after = (yaml.safe_load(one) for one in (text, chart.annotated(text, CHANGES, DIGESTS)))

    changes = after["annotations"].pop("artifacthub.io/changes")
    images = yaml.safe_load(after["annotations"].pop("artifacthub.io/images"))
    before["annotations"].pop("artifacthub.io/images")
    assert json.loads(changes) == json.loads(CHANGES)
    assert [image["image"].partition("@")[2] for image in images] == list(DIGESTS.values())
    assert after == before


def test_image_that_is_not_named_is_an_error() -> None:
    """A program whose image the chart does not name cannot be pinned in it."""
    with pytest.raises(SystemExit, match="names the image of the viewer 0 times"):
        chart.annotated((chart.CHART / "Chart.yaml").read_text(), CHANGES, {"viewer": DIGESTS["agent"]})


@pytest.mark.parametrize("word", ["agent=latest", "agent=sha256:abc"])
def test_only_digests_are_taken(word: str) -> None:
    """A tag is no digest."""
    with pytest.raises(SystemExit, match="is not of the form"):
        chart.pairs([word])


@manifests.NEEDS_HELM
def test_packed(helm: None, changelog: Path, tmp_path: Path) -> None:
    """The packed chart has this version, its changes and pinned images, and renders."""
    packed = chart.pack(tmp_path / "out", DIGESTS, changelog=changelog)
    metadata = packed_metadata(packed)

    assert packed.name == f"pulltrace-{pulltrace.__version__}.tgz"
    assert metadata["version"] == metadata["appVersion"] == pulltrace.__version__
    [change] = json.loads(metadata["annotations"]["artifacthub.io/changes"])
    assert change == {"kind": "added", "description": 'All of it: "quoted", and 50 %.'}
    assert change["kind"] in KINDS
    assert without_images(manifests.rendered(chart=packed)) == without_images(manifests.rendered())


@manifests.NEEDS_HELM
def test_packed_chart_names_its_images_by_digest(helm: None, changelog: Path, tmp_path: Path) -> None:
    """All pods of the packed chart, that of `helm test` too, run the images that were built for this release."""
    packed = chart.pack(tmp_path / "out", DIGESTS, changelog=changelog)
    found = manifests.rendered(chart=packed)
    images = {kind: manifests.pod_of(manifests.the(found, kind))["containers"][0]["image"] for kind in PODS}

    assert images == {
        "DaemonSet": f"ghcr.io/d44b/pulltrace-agent@{DIGESTS['agent']}",
        "Deployment": f"ghcr.io/d44b/pulltrace-aggregator@{DIGESTS['aggregator']}",
        "Pod": f"ghcr.io/d44b/pulltrace-aggregator@{DIGESTS['aggregator']}",
    }


OTHER = f"sha256:{'0' * 64}"


@manifests.NEEDS_HELM
@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ({"tag": "0.9.9"}, "ghcr.io/d44b/pulltrace-agent:0.9.9"),
        ({"digest": OTHER}, f"ghcr.io/d44b/pulltrace-agent@{OTHER}"),
        ({"repository": "mirror.test/agent"}, f"mirror.test/agent:{pulltrace.__version__}"),
    ],
    ids=["tag", "digest", "repository"],
)
def test_values_win_over_the_digest_of_the_release(
    helm: None, changelog: Path, tmp_path: Path, image: dict[str, str], expected: str
) -> None:
    """A tag, a digest or a repository in the values names the image; the release's digest does not come before it."""
    packed = chart.pack(tmp_path / "out", DIGESTS, changelog=changelog)
    found = manifests.rendered({"agent": {"image": image}}, chart=packed)

    assert manifests.agent_pod(found)["containers"][0]["image"] == expected


@pytest.mark.real("docker-registry")
def test_pushed(helm: None, registry: str, changelog: Path, tmp_path: Path) -> None:
    """The chart can be installed from a registry, and the printed digest is that of the chart there."""
    packed = chart.pack(tmp_path / "out", DIGESTS, changelog=changelog)
    digest = chart.push(packed, f"oci://{registry}/charts", "--plain-http")
    pulled = f"oci://{registry}/charts/pulltrace@{digest}"
    manifests.helm("pull", pulled, "--plain-http", "--destination", tmp_path)

    [found] = tmp_path.glob("pulltrace*.tgz")
    assert found.read_bytes() == packed.read_bytes()


@manifests.NEEDS_HELM
def test_lint(helm: None, changelog: Path, tmp_path: Path) -> None:
    """helm's own linter has no complaint and no recommendation."""
    packed = chart.pack(tmp_path / "out", DIGESTS, changelog=changelog)
    shutil.unpack_archive(packed, tmp_path / "chart", "gztar")
    output = manifests.helm("lint", tmp_path / "chart/pulltrace", "--strict")

    assert "1 chart(s) linted, 0 chart(s) failed" in output
    assert "[WARNING]" not in output
    assert "[INFO]" not in output
