"""5,000 pulls at once: how much the page draws, and how often. `benchmarks.page` measures its time."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.cluster.processes import wait_until
from tests.web.conftest import OpenPage
from tests.web.rows import MANY
from tests.web.servers import RowsServer

pytestmark = [pytest.mark.real("chromium"), pytest.mark.timeout(240, func_only=True)]

MOST_ROWS = 200
WATCHED_SECONDS = 15
UPDATES_PER_SECOND = 6

# Every update arrives at a port of the shared worker.
COUNT_UPDATES = """
(() => {
  window.updates = 0;
  const setter = Object.getOwnPropertyDescriptor(MessagePort.prototype, "onmessage").set;
  Object.defineProperty(MessagePort.prototype, "onmessage", {
    set(handler) {
      setter.call(this, handler && ((event) => {
        if (event.data && event.data.connection && !event.data.whole) window.updates += 1;
        handler.call(this, event);
      }));
    },
  });
})();
"""


@pytest.mark.parametrize("view", ["waiting", "pulls", "nodes", "rollout"])
def test_five_thousand_pulls(open_page: OpenPage, tmp_path: Path, view: str) -> None:
    """The page draws only the rows in the window, a few times a second."""
    with RowsServer(tmp_path, "many") as server:
        page = open_page("about:blank")
        page.add_init_script(COUNT_UPDATES)
        page.goto(f"{server.url}?view={view}")
        wait_until(lambda: page.locator("main li[data-row]").count(), "rows", seconds=60)
        expect(page.get_by_text(f"{MANY} images")).to_be_visible()
        page.wait_for_timeout(WATCHED_SECONDS * 1000)
        rows, updates = page.locator("main li[data-row]").count(), page.evaluate("window.updates")

    assert 0 < rows < MOST_ROWS
    assert 0 < updates <= UPDATES_PER_SECOND * WATCHED_SECONDS
