"""The page's connection: lost, restored, through a prefix, shared by tabs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.cluster.processes import free_port, wait_until
from tests.web.conftest import OpenPage
from tests.web.servers import Gate, RowsServer

pytestmark = pytest.mark.real("chromium")


def test_reconnects_after_the_server_was_killed(open_page: OpenPage, tmp_path: Path) -> None:
    """A page that loses its server keeps the rows with their time, and reconnects automatically."""
    port = free_port()
    with RowsServer(tmp_path, "many", port) as server:
        page = open_page(f"{server.url}?view=pulls")
        expect(page.get_by_text("Live", exact=True)).to_be_visible()
        server.kill()
        expect(page.get_by_text(re.compile("^Reconnecting"))).to_be_visible()
        expect(page.get_by_text(re.compile("data as of"))).to_be_visible()
        expect(page.get_by_role("progressbar").first).to_be_visible()
        expect(page.get_by_text(re.compile("^No connection to the server for"))).to_be_visible(timeout=20_000)
    with RowsServer(tmp_path, "quiet", port):
        expect(page.get_by_text("All quiet").first).to_be_visible(timeout=40_000)
        expect(page.get_by_text("Live", exact=True)).to_be_visible()


def test_fails_over_to_another_replica(open_page: OpenPage, tmp_path: Path) -> None:
    """When a page's replica dies, another one at the same address serves it."""
    with (
        RowsServer(tmp_path, "many") as first,
        RowsServer(tmp_path, "quiet") as second,
        Gate([first.port, second.port]) as gate,
    ):
        page = open_page(f"{gate.url}?view=pulls")
        expect(page.get_by_role("progressbar").first).to_be_visible()
        first.kill()
        expect(page.get_by_text("All quiet").first).to_be_visible(timeout=40_000)
        expect(page.get_by_text("Live", exact=True)).to_be_visible()


def test_continues_after_a_broken_connection(open_page: OpenPage, tmp_path: Path) -> None:
    """The browser reconnects to the same replica after about 3 s, and the page is live again."""
    with RowsServer(tmp_path, "hostile") as server, Gate([server.port]) as gate:
        page = open_page(f"{gate.url}?view=pulls")
        expect(page.get_by_text("Live", exact=True)).to_be_visible()
        gate.cut()
        expect(page.get_by_text(re.compile("^Reconnecting"))).to_be_visible()
        expect(page.get_by_text("Live", exact=True)).to_be_visible(timeout=15_000)


def test_works_below_a_prefix(open_page: OpenPage, tmp_path: Path) -> None:
    """All requests are relative to the page, so any path prefix of an ingress works."""
    with RowsServer(tmp_path, "hostile") as server, Gate([server.port], "/some/prefix") as gate:
        page = open_page(f"{gate.url}?view=pulls")
        expect(page.get_by_role("progressbar").first).to_be_visible()
        page.get_by_role("button", name="Nodes", exact=True).click()
        expect(page.get_by_role("img", name=re.compile("^Throughput of"))).to_be_visible()
        assert page.url.startswith(f"{gate.url}?view=nodes")


def test_tabs_share_one_stream(open_page: OpenPage, tmp_path: Path) -> None:
    """Three tabs of a browser share one stream; one more connection polls the nodes."""
    with RowsServer(tmp_path, "many") as server:
        for page in [open_page(f"{server.url}?view=pulls") for _ in range(3)]:
            page.bring_to_front()
            expect(page.get_by_role("progressbar").first).to_be_visible()
        wait_until(lambda: 0 < connections(server.port) <= 2, "connections of the load to be closed")


def test_works_without_shared_workers(open_page: OpenPage, tmp_path: Path) -> None:
    """A browser without shared workers runs the feed in the page."""
    with RowsServer(tmp_path, "many") as server:
        page = open_page("about:blank")
        page.add_init_script("delete window.SharedWorker")
        page.goto(f"{server.url}?view=pulls")
        expect(page.get_by_role("progressbar").first).to_be_visible()
        expect(page.get_by_text("Live", exact=True)).to_be_visible()


def connections(port: int) -> int:
    """Return the number of open connections of a server's port."""
    hexed = f":{port:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(fields[1].endswith(hexed) and fields[3] == "01" for fields in map(str.split, lines))
