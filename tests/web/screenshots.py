"""Pictures of each view of the demo in both themes, for the documents: `make screenshots`.

The demo runs for a while first, so that curves and history have contents.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, sync_playwright

from tests.real.programs import Server
from tests.real.test_page import BROWSER_FLAGS
from tests.web.test_views import VIEWS

FOLDER = Path(__file__).parents[2] / "docs/images"
WATCHED_SECONDS = 85
SETTLED_MILLISECONDS = 2500
WIDE = {"width": 1280, "height": 800}
NARROW = {"width": 390, "height": 844}


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        Server("demo", Path(folder)) as demo,
        sync_playwright() as playwright,
    ):
        address = f"http://127.0.0.1:{demo.port}/"
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=list(BROWSER_FLAGS))
        contexts = {scheme: watching(browser, scheme, address) for scheme in ("light", "dark")}
        time.sleep(WATCHED_SECONDS)
        for scheme, context in contexts.items():
            for view in VIEWS:
                take(context, f"{address}?view={view}", WIDE, f"{view}-{scheme}")
        take(contexts["light"], address, NARROW, "waiting-narrow")
        browser.close()


def watching(browser: Browser, scheme: str, address: str) -> BrowserContext:
    """Return a window with one open tab: all its tabs share the history of that tab."""
    context = browser.new_context(color_scheme="dark" if scheme == "dark" else "light", viewport=None)
    context.new_page().goto(address)
    return context


def take(context: BrowserContext, address: str, size: dict[str, int], name: str) -> None:
    page = context.new_page()
    page.set_viewport_size({"width": size["width"], "height": size["height"]})
    page.goto(address)
    page.wait_for_timeout(SETTLED_MILLISECONDS)
    path = FOLDER / f"{name}.png"
    page.screenshot(path=path)
    page.close()
    print(f"{path.relative_to(Path.cwd())} {path.stat().st_size // 1024} KiB", file=sys.stderr)


if __name__ == "__main__":
    main()
