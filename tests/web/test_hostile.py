"""Hostile names of pods and images, and hostile addresses: the page shows them as text."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, Response, expect

from pulltrace.server.http.asgi import SECURITY_HEADERS
from pulltrace.server.http.static_files import BUILT_UI
from tests.web.conftest import OpenPage
from tests.web.rows import HOSTILE
from tests.web.servers import RowsServer
from tests.web.test_views import VIEWS

pytestmark = pytest.mark.real("chromium")

MADE_OF_NAMES = "img, iframe, object, embed, base, form, a:not([href='#main']), script:not([src]), style"
MARKUP = HOSTILE[0]
ERRORS = ("nothing", quote(MARKUP), f"api/v1/pulls?phase={quote(MARKUP)}", f"api/v1/pulls/{quote(MARKUP)}")


def assert_harmless(page: Page, where: str) -> None:
    """Assert that a name made no element, hidden text, command, title or width."""
    assert page.locator(MADE_OF_NAMES).count() == 0, where
    assert "kubectl" not in page.inner_text("main"), where
    assert page.title().endswith("Pulltrace")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280, where
    assert "\u202e" not in page.inner_text("main"), where


def test_hostile_names_are_text(open_page: OpenPage, tmp_path: Path) -> None:
    """Names and messages make no elements, links, commands or requests, and break no layout."""
    with RowsServer(tmp_path, "hostile") as server:
        page = open_page("about:blank")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        for view in VIEWS:
            page.goto(f"{server.url}?view={view}")
            expect(page.get_by_text("onerror").first).to_be_attached()
            page.keyboard.press("j")
            page.keyboard.press("Enter")
            assert_harmless(page, view)
        assert {url for url in asked if not url.startswith(server.url)} == set()


@pytest.mark.parametrize("field", ["q", "ns", "state", "sort", "open", "workload", "view"])
def test_hostile_address_is_text(open_page: OpenPage, tmp_path: Path, field: str) -> None:
    """The page searches for the parts of its address, or ignores them."""
    with RowsServer(tmp_path, "hostile") as server:
        page = open_page("about:blank")
        for text in (MARKUP, HOSTILE[1]):
            page.goto(
                f"{server.url}?view=rollout&{field}={quote(text)}"
                if field != "view"
                else f"{server.url}?view={quote(text)}"
            )
            expect(page.locator("main")).to_be_visible()
            assert_harmless(page, f"{field}={text}")


def test_every_answer_is_guarded(open_page: OpenPage, tmp_path: Path) -> None:
    """Page, files, stream and errors have the security headers, and an error is not HTML."""
    with RowsServer(tmp_path, "hostile") as server:
        page = open_page("about:blank")
        answers: list[Response] = []
        page.on("response", lambda answer: answers.append(answer))  # noqa: PLW0108 - it marks what it is given
        page.goto(server.url)
        expect(page.get_by_text("onerror").first).to_be_attached()
        for path in ERRORS:
            page.goto(f"{server.url}{path}")
            assert answers[-1].header_value("content-type") == "application/problem+json", path
            assert page.locator(MADE_OF_NAMES).count() == 0, path
        kinds = {answer.request.resource_type for answer in answers}
        guards = [[answer.header_value(name.decode()) for name, _ in SECURITY_HEADERS] for answer in answers]

    assert {"document", "script", "stylesheet"} <= kinds
    assert [value.decode() for _, value in SECURITY_HEADERS] * len(guards) == [
        value for each in guards for value in each
    ]


def test_policy_is_in_force(open_page: OpenPage, tmp_path: Path) -> None:
    """The browser neither runs nor loads injected markup; the page itself violates no policy."""
    refused = """
        window.refused = [];
        addEventListener("securitypolicyviolation", (event) => window.refused.push(event.effectiveDirective));
    """
    inject = """() => {
        const script = document.createElement("script");
        script.textContent = "window.ran = true";
        const image = document.createElement("img");
        image.setAttribute("onerror", "window.ran = true");
        image.src = "http://127.0.0.1:9/x.png";
        const frame = document.createElement("iframe");
        frame.src = "/";
        document.body.append(script, image, frame);
        fetch("http://127.0.0.1:9/").catch(() => {});
    }"""
    with RowsServer(tmp_path, "hostile") as server:
        page = open_page("about:blank")
        page.add_init_script(refused)
        page.goto(server.url)
        expect(page.get_by_text("onerror").first).to_be_attached()
        assert page.evaluate("window.refused") == []

        page.evaluate(inject)
        page.wait_for_function("window.refused.length >= 5")
        assert page.evaluate("window.ran") is None
        assert set(page.evaluate("window.refused")) == {
            "script-src-elem",
            "script-src-attr",
            "img-src",
            "frame-src",
            "connect-src",
        }


def test_page_has_nothing_inline() -> None:
    """The built page has no inline script, style or handler."""
    text = (BUILT_UI / "index.html").read_text()

    assert not re.search(r"<script(?![^>]*\ssrc=)", text)
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", text)
