"""tools.release.pages: the documentation and the Helm repository on one branch, pushed to a real remote."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from tests.deploy import manifests
from tools.release import pages


@pytest.fixture
def remote(tmp_path: Path) -> str:
    """Provide an empty repository to push to."""
    path = tmp_path / "remote.git"
    subprocess.run(["git", "init", "--quiet", "--bare", path], check=True)
    return str(path)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Provide a built site."""
    folder = tmp_path / "site"
    (folder / "install").mkdir(parents=True)
    (folder / "index.html").write_text("first")
    (folder / "install/index.html").write_text("how")
    return folder


def branch(remote: str) -> set[str]:
    """Return the files of the branch."""
    listed = subprocess.run(
        ["git", "-C", remote, "ls-tree", "-r", "--name-only", pages.BRANCH], capture_output=True, text=True, check=True
    )
    return set(listed.stdout.split())


def show(remote: str, name: str) -> str:
    command = ["git", "-C", remote, "show", f"{pages.BRANCH}:{name}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def commits(remote: str) -> int:
    command = ["git", "-C", remote, "rev-list", "--count", pages.BRANCH]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def packed(folder: Path, version: str, description: str = "A chart.") -> Path:
    """Return a chart of this version."""
    chart = folder / f"chart-{version}" / "pulltrace"
    shutil.rmtree(chart.parent, ignore_errors=True)
    chart.mkdir(parents=True)
    (chart / "Chart.yaml").write_text(
        f"apiVersion: v2\nname: pulltrace\ndescription: {description}\nversion: {version}\nappVersion: {version}\n"
    )
    manifests.helm("package", chart, "--destination", chart.parent)
    return chart.parent / f"pulltrace-{version}.tgz"


def publish_site(remote: str, site: Path) -> None:
    pages.publish(remote, lambda folder: pages.replace_site(folder, site), "Documentation")


def publish_chart(remote: str, chart: Path) -> None:
    pages.publish(remote, lambda folder: pages.add_chart(folder, chart), "Chart")


def test_first_site_makes_the_branch(remote: str, site: Path) -> None:
    """The first push makes the branch, and a file that lets GitHub serve the files as they are."""
    publish_site(remote, site)

    assert branch(remote) == {".nojekyll", "index.html", "install/index.html"}


def test_site_is_replaced(remote: str, site: Path) -> None:
    """Pages that are gone from the site are gone from the branch."""
    publish_site(remote, site)
    shutil.rmtree(site / "install")
    (site / "index.html").write_text("second")
    publish_site(remote, site)

    assert branch(remote) == {".nojekyll", "index.html"}
    assert show(remote, "index.html") == "second"


def test_same_site_is_no_commit(remote: str, site: Path) -> None:
    """Where nothing has changed, nothing is pushed."""
    publish_site(remote, site)
    publish_site(remote, site)

    assert commits(remote) == 1


def test_no_site_is_an_error(remote: str, tmp_path: Path) -> None:
    """An empty folder does not take the site away."""
    with pytest.raises(SystemExit, match="holds no site"):
        publish_site(remote, tmp_path / "nothing")


def test_push_that_came_second_is_tried_again(remote: str, site: Path) -> None:
    """When another push came first, both changes are in the branch in the end."""
    publish_site(remote, site)
    tries = []

    def change(folder: Path) -> None:
        tries.append(folder)
        (folder / "mine").touch()
        if len(tries) == 1:
            pages.publish(remote, lambda other: (other / "theirs").touch(), "theirs")

    pages.publish(remote, change, "mine")

    assert len(tries) == 2
    assert {"mine", "theirs"} <= branch(remote)


@manifests.NEEDS_HELM
def test_older_versions_stay_listed(helm: None, remote: str, site: Path, tmp_path: Path) -> None:
    """After two releases both versions are in the index, the newer first, and the site does not take them away."""
    for version in ("0.2.0", "0.3.0"):
        publish_chart(remote, packed(tmp_path, version))
    publish_site(remote, site)

    listed = yaml.safe_load(show(remote, "charts/index.yaml"))["entries"]["pulltrace"]
    assert [one["version"] for one in listed] == ["0.3.0", "0.2.0"]
    assert listed[1]["urls"] == ["https://d44b.github.io/pulltrace/charts/pulltrace-0.2.0.tgz"]
    assert branch(remote) == {
        *(".nojekyll", "index.html", "install/index.html", "charts/index.yaml", "charts/artifacthub-repo.yml"),
        *("charts/pulltrace-0.2.0.tgz", "charts/pulltrace-0.3.0.tgz"),
    }


@manifests.NEEDS_HELM
def test_chart_of_the_program_before_stays(helm: None, remote: str, tmp_path: Path) -> None:
    """The index that the branch has today, of the Go program, is added to and not replaced."""

    def before(folder: Path) -> None:
        (folder / "charts").mkdir()
        (folder / "charts/index.yaml").write_text(
            "apiVersion: v1\nentries:\n  pulltrace:\n  - apiVersion: v2\n    appVersion: 0.1.0\n"
            '    created: "2026-02-23T17:09:20Z"\n    digest: 0773\n    name: pulltrace\n    version: 0.1.0\n'
            "    urls: [https://d44b.github.io/pulltrace/charts/pulltrace-0.1.0.tgz]\n"
        )

    pages.publish(remote, before, "before")
    publish_chart(remote, packed(tmp_path, "0.2.0"))

    listed = yaml.safe_load(show(remote, "charts/index.yaml"))["entries"]["pulltrace"]
    assert [one["version"] for one in listed] == ["0.2.0", "0.1.0"]


@manifests.NEEDS_HELM
def test_version_is_published_once(helm: None, remote: str, tmp_path: Path) -> None:
    """The same bytes again change nothing; other bytes of the same version are refused."""
    chart = packed(tmp_path, "0.2.0")
    publish_chart(remote, chart)
    publish_chart(remote, chart)

    assert commits(remote) == 1
    with pytest.raises(SystemExit, match=r"pulltrace-0\.2\.0\.tgz has been published with other bytes"):
        publish_chart(remote, packed(tmp_path, "0.2.0", "Another."))
