"""Other sites in a user's browser can neither send requests to the API nor read it under their own name."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Playwright, expect

from tests.real.programs import Server
from tests.real.test_page import BROWSER_FLAGS
from tests.web.servers import RowsServer

pytestmark = pytest.mark.real("chromium")

EVIL = "evil.test"

SEND = """async (url) => {
    const image = new Image();
    const ended = new Promise((resolve) => { image.onload = image.onerror = resolve; });
    image.src = url + "&by=image";
    await ended;
    for (const mode of ["no-cors", "cors"]) {
        try { await fetch(url + "&by=" + mode, { mode }); } catch (error) { /* what it says is not readable */ }
    }
}"""


class OtherSite(http.server.BaseHTTPRequestHandler):
    """An empty page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>Another site</title>")

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - as in the base class
        pass


@pytest.fixture
def other_site() -> Iterator[int]:
    """Yield the port of another site on this machine."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), OtherSite) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture
def page(playwright: Playwright) -> Iterator[Page]:
    """Yield a page of a browser whose DNS the other site controls."""
    rules = f"--host-resolver-rules=MAP {EVIL} 127.0.0.1"
    browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=[*BROWSER_FLAGS, rules])
    yield browser.new_page()
    browser.close()


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Server]:
    with Server("demo", tmp_path) as server:
        yield server


def test_page_of_another_site_gets_nothing(page: Page, other_site: int, demo: Server) -> None:
    """The API refuses requests and links of other sites; a link to the page opens it."""
    site, own = f"http://{EVIL}:{other_site}/", f"http://localhost:{demo.port}/"
    failed: dict[str, str | None] = {}
    page.on("requestfailed", lambda request: failed.__setitem__(request.url.rpartition("by=")[2], request.failure))
    page.goto(site)
    page.evaluate(SEND, f"{own}api/v1/pulls?limit=1")
    assert set(failed) >= {"image", "no-cors", "cors"}

    with page.expect_navigation():
        page.evaluate(f"location.href = '{own}api/v1/wait?pod=a/b&timeout=0'")
    assert "Request of another site" in page.inner_text("body")
    page.goto(site)
    page.evaluate(f"location.href = '{own}?view=pulls'")
    expect(page.get_by_text("Live", exact=True)).to_be_visible(timeout=20_000)


def test_name_of_another_site_shows_nothing(page: Page, demo: Server) -> None:
    """Every path refuses a name that its owner points at this machine (DNS rebinding)."""
    for path in ("", "api/v1/pulls", "api/v1/events"):
        answer = page.goto(f"http://{EVIL}:{demo.port}/{path}")
        assert answer
        assert (answer.status, "--allowed-hosts" in page.inner_text("body")) == (421, True)


def test_page_works_under_a_name_that_is_listed(page: Page, tmp_path: Path) -> None:
    """Page, worker and stream work under a listed name."""
    with Server("demo", tmp_path, "--allowed-hosts", EVIL) as server:
        page.goto(f"http://{EVIL}:{server.port}/?view=pulls")
        expect(page.get_by_text("Live", exact=True)).to_be_visible(timeout=20_000)


def test_page_works_with_its_headers(page: Page, tmp_path: Path) -> None:
    """The policies for other origins block none of the page's own files, workers or streams."""
    with RowsServer(tmp_path, "many") as server:
        failed: list[str] = []
        page.on("requestfailed", lambda request: failed.append(request.url))
        page.goto(f"{server.url}?view=pulls")
        expect(page.get_by_text("Live", exact=True)).to_be_visible(timeout=20_000)
        expect(page.get_by_role("progressbar").first).to_be_visible()
        assert failed == []
