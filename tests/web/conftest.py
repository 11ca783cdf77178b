"""A real Chromium and a demo server.

`make web` builds the page. A test fails if one of its pages has an error in its console.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from pulltrace.server.http.static_files import BUILT_UI
from tests.real.programs import Server
from tests.real.test_page import BROWSER_FLAGS

OpenPage = Callable[..., Page]


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """Yield the driver of browsers, one for all tests: a second one cannot start while the first runs."""
    if not (BUILT_UI / "index.html").exists():
        pytest.fail("the web UI is not built: make web", pytrace=False)
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """Yield Debian's Chromium."""
    browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=list(BROWSER_FLAGS))
    yield browser
    browser.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Yield a function that opens pages as tabs of one window; `**options` are the context's."""
    errors: list[str] = []
    contexts: list[Any] = []

    def open_page(url: str, *, width: int = 1280, height: int = 800, **options: Any) -> Page:
        if not contexts:
            contexts.append(browser.new_context(viewport={"width": width, "height": height}, **options))
        page: Page = contexts[0].new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of `pulltrace demo`."""
    with Server("demo", tmp_path_factory.mktemp("demo")) as server:
        yield f"http://127.0.0.1:{server.port}/"
