"""The branch gh-pages: the documentation site, and beside it the Helm repository with every version of the chart.

    python -m tools.release.pages REMOTE chart FILE.tgz     # adds a version; older ones stay listed
    python -m tools.release.pages REMOTE site FOLDER        # replaces the site; charts/ stays

Each call clones the branch, changes one of the two and pushes; where another push came first it begins again.
A version that is listed is never replaced by other bytes.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tools.release.programs import StepFailed, run

BRANCH = "gh-pages"
CHARTS = "charts"
REPOSITORY_FILE = Path(__file__).parents[2] / "deploy/helm/artifacthub-repo.yml"
URL = "https://d44b.github.io/pulltrace"
TRIES = 3


def add_chart(pages: Path, packed: Path, url: str = URL) -> None:
    """Put a packed chart into the Helm repository; raises SystemExit when its version has other bytes there."""
    charts = pages / CHARTS
    charts.mkdir(exist_ok=True)
    published = charts / packed.name
    if published.exists() and published.read_bytes() != packed.read_bytes():
        raise SystemExit(f"{packed.name} has been published with other bytes; a version is published once")
    shutil.copyfile(REPOSITORY_FILE, charts / REPOSITORY_FILE.name)
    if published.exists():
        return
    index = charts / "index.yaml"
    with tempfile.TemporaryDirectory() as folder:
        shutil.copyfile(packed, Path(folder) / packed.name)
        merge: list[str | Path] = ["--merge", index] if index.exists() else []
        run("helm", "repo", "index", folder, "--url", f"{url}/{CHARTS}", *merge)
        shutil.copyfile(Path(folder) / "index.yaml", index)
    shutil.copyfile(packed, published)


def replace_site(pages: Path, site: Path) -> None:
    """Replace the site on the branch with the built one."""
    if not (site / "index.html").exists():
        raise SystemExit(f"{site} holds no site")
    for old in pages.iterdir():
        if old.name not in {".git", CHARTS}:
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    shutil.copytree(site, pages, dirs_exist_ok=True)
    (pages / ".nojekyll").touch()


def publish(remote: str, change: Callable[[Path], None], message: str) -> None:
    """Change the branch and push it."""
    for attempt in range(TRIES):
        with tempfile.TemporaryDirectory() as folder:
            pages = Path(folder)
            git = ("git", "-C", pages)
            if run("git", "ls-remote", "--heads", remote, BRANCH):
                run("git", "clone", "--quiet", "--depth", "1", "--branch", BRANCH, remote, pages)
            else:
                run("git", "init", "--quiet", "--initial-branch", BRANCH, pages)
                run(*git, "remote", "add", "origin", remote)
            change(pages)
            run(*git, "add", "--all")
            if not run(*git, "status", "--porcelain"):
                return
            author = ["-c", "user.name=Pulltrace", "-c", "user.email=pulltrace@users.noreply.github.com"]
            run(*git, *author, "commit", "--quiet", "--message", message)
            try:
                run(*git, "push", "--quiet", "origin", BRANCH)
            except StepFailed as error:
                if attempt == TRIES - 1 or not re.search(r"rejected|fetch first", str(error)):
                    raise
            else:
                return


if __name__ == "__main__":
    _, where, what, name = sys.argv
    path = Path(name)
    if what == "chart":
        publish(where, lambda pages: add_chart(pages, path), f"Chart {path.stem}")
    else:
        publish(where, lambda pages: replace_site(pages, path), "Documentation")
