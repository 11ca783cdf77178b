"""The web page in a real browser while a real containerd pulls."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.cluster.containerd import Containerd
from tests.cluster.images import Image
from tests.cluster.processes import wait_until
from tests.cluster.proxy import Proxy
from tests.real.conftest import MB
from tests.real.programs import Server
from tests.real.test_standalone import ctr_pull, repository

pytestmark = pytest.mark.real("containerd", "runc", "docker-registry", "chromium")

ARTIFACTS = Path(os.environ.get("PULLTRACE_ARTIFACTS", "artifacts"))
"""The folder for screenshots of the run."""
BROWSER_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture
def page() -> Iterator[Page]:
    """Provide a page of Debian's Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=list(BROWSER_FLAGS))
        yield browser.new_page(viewport={"width": 1280, "height": 800})
        browser.close()


def percent(page: Page, name: str) -> float:
    """Return the value of an image's progress bar."""
    bar = page.get_by_role("listitem", name=name).get_by_role("progressbar").first
    return float(bar.get_attribute("aria-valuenow", timeout=5_000) or 0)


def test_page_follows_real_pulls(
    page: Page, containerd: Containerd, proxy: Proxy, app: Image, tool: Image, tmp_path: Path
) -> None:
    """Two pulls are two rows whose bars move, whose layers can be opened, and which end as finished in the history."""
    proxy.set_rate(1.5 * MB)
    with ExitStack() as stack:
        server = Server("standalone", tmp_path, "--containerd-socket", containerd.socket, "--node-name", "node-1")
        stack.enter_context(server)
        page.goto(f"http://127.0.0.1:{server.port}/?view=pulls")
        expect(page.get_by_text("All quiet").first).to_be_visible()
        pulls: list[subprocess.Popen[str]] = [stack.enter_context(ctr_pull(containerd, i.ref)) for i in (app, tool)]
        rows = {image: f"{repository(image)} on node-1" for image in (app, tool)}
        for name in rows.values():
            expect(page.get_by_role("listitem", name=name)).to_be_visible(timeout=10_000)
        page.get_by_role("button", name=f"Layers of {rows[app]}").click()
        first = wait_until(lambda: percent(page, rows[app]), "the bar to leave zero")
        page.screenshot(path=str(_artifact(f"page-{containerd.version}-pulling.png")))
        wait_until(lambda: percent(page, rows[app]) > first, "the bar to move on")
        assert [pull.wait(60) for pull in pulls] == [0, 0]
        page.get_by_role("button", name="History", exact=True).click()
        ended = page.get_by_role("region", name="Ended pulls")
        for image in (app, tool):
            expect(ended.get_by_text(image.ref.rpartition("/")[2])).to_be_visible(timeout=10_000)
        page.screenshot(path=str(_artifact(f"page-{containerd.version}-finished.png")))


def _artifact(name: str) -> Path:
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    return ARTIFACTS / name
