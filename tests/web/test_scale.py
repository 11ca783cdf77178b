"""5,000 pulls at once: the page draws what is in the window, over one stream, and does not grow. `benchmarks.page` has the times."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.cluster.processes import wait_until
from tests.web.conftest import OpenPage
from tests.web.rows import MANY
from tests.web.servers import RowsServer
from tests.web.test_connection import connections

pytestmark = [pytest.mark.real("chromium"), pytest.mark.timeout(240, func_only=True)]

ANY_ROW = {
    "waiting": "main li[data-row]",
    "pulls": "main li[data-row]",
    "nodes": "main li[data-row]",
    "rollout": "nav[aria-label=Workloads] button",
}
MOST_ROWS = 200
MOST_ELEMENTS = 8000
"""Of the whole page; a row of each pull would be over 50,000."""
UPDATES = 20
COUNT_UPDATES = """
(() => {
  window.updates = 0;
  const setter = Object.getOwnPropertyDescriptor(MessagePort.prototype, "onmessage").set;
  Object.defineProperty(MessagePort.prototype, "onmessage", {
    set(handler) {
      setter.call(this, handler && ((event) => {
        if (event.data && event.data.connection) window.updates += 1;
        handler.call(this, event);
      }));
    },
  });
})();
"""


def after_updates(page: Page, count: int) -> int:
    """How many elements there are once so many more updates have come."""
    wanted = page.evaluate("window.updates") + count
    page.wait_for_function("(wanted) => window.updates >= wanted", arg=wanted, timeout=60_000)
    elements: int = page.evaluate("document.querySelectorAll('*').length")
    return elements


@pytest.mark.parametrize("view", ANY_ROW)
def test_five_thousand_pulls(open_page: OpenPage, tmp_path: Path, view: str) -> None:
    """However many rows there are, few are drawn, wherever the list is scrolled to; updates add no elements and no connection."""
    with RowsServer(tmp_path, "many") as server:
        page = open_page("about:blank")
        page.add_init_script(COUNT_UPDATES)
        page.goto(f"{server.url}?view={view}")
        expect(page.locator(ANY_ROW[view]).first).to_be_attached(timeout=60_000)
        expect(page.get_by_text(f"{MANY} images")).to_be_visible(timeout=60_000)
        first = after_updates(page, UPDATES)
        page.mouse.wheel(0, 40_000)
        wait_until(lambda: page.locator(ANY_ROW[view]).count() > 0, "rows after scrolling")
        later = after_updates(page, UPDATES)
        rows = page.locator("main li[data-row]").count()
        wait_until(lambda: 0 < connections(server.port) <= 2, "one stream, and one connection beside it")

    assert rows < MOST_ROWS
    assert max(first, later) < MOST_ELEMENTS
    assert later < 1.2 * first + 200
