"""Whoever may create a pod chooses names: in the page they are text and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.web.conftest import OpenPage
from tests.web.servers import RowsServer
from tests.web.test_views import VIEWS

pytestmark = pytest.mark.real("chromium")

MADE_OF_NAMES = "img, iframe, object, embed, base, form, a:not([href='#main']), script:not([src]), style"


def test_hostile_names_are_text(open_page: OpenPage, tmp_path: Path) -> None:
    """No view makes elements, links, commands or requests of a name, and none breaks its layout."""
    with RowsServer(tmp_path, "hostile") as server:
        page = open_page("about:blank")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        for view in VIEWS:
            page.goto(f"{server.url}?view={view}")
            expect(page.get_by_text("onerror").first).to_be_attached()
            page.keyboard.press("j")
            page.keyboard.press("Enter")
            assert page.locator(MADE_OF_NAMES).count() == 0, view
            assert "kubectl" not in page.inner_text("main"), view
            assert page.title().endswith("Pulltrace")
            assert page.evaluate("document.documentElement.scrollWidth") <= 1280, view
            assert "\u202e" not in page.inner_text("main"), view
        assert {url for url in asked if not url.startswith(server.url)} == set()
