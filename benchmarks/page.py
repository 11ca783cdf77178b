"""The cost of 5,000 pulls for a browser: time to the first content, and the script time of an update, in each view.

    .venv/bin/python -m benchmarks.page [--seconds 15]

Needs the built web UI and Debian's Chromium; the server (`tests.web.rows`) and the browser share the machine.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Browser, expect, sync_playwright

from tests.cluster import binaries
from tests.cluster.processes import wait_until
from tests.real.test_page import BROWSER_FLAGS
from tests.web.rows import MANY
from tests.web.servers import RowsServer

VIEWS = {
    "waiting": "main li[data-row]",
    "pulls": "main li[data-row]",
    "nodes": "main li[data-row]",
    "rollout": "nav[aria-label=Workloads] button",
    "history": "nav[aria-label=Views]",
}
"""Each view, and its first content; nothing has ended, so History shows that."""

# Every update arrives at a port of the shared worker. React draws changes of the store in a microtask after it, and other
# changes in tasks of a port of its own. The cost of an update is the sum of all until the next update.
MEASURE = """
(() => {
  const batches = [];
  const setter = Object.getOwnPropertyDescriptor(MessagePort.prototype, "onmessage").set;
  Object.defineProperty(MessagePort.prototype, "onmessage", {
    set(handler) {
      setter.call(this, handler && ((event) => {
        const began = performance.now();
        if (event.data && event.data.connection) batches.push({ whole: event.data.whole, script: 0 });
        handler.call(this, event);
        queueMicrotask(() => {
          if (batches.length > 0) batches[batches.length - 1].script += performance.now() - began;
        });
      }));
    },
  });
  window.batches = batches;
  new MutationObserver((_, observer) => {
    if (document.querySelector(%r) === null) return;
    observer.disconnect();
    requestAnimationFrame(() => requestAnimationFrame(() => { window.firstRowsMs = performance.now(); }));
  }).observe(document, { childList: true, subtree: true });
})();
"""


class Cost(NamedTuple):
    """The cost of one view."""

    first_rows_seconds: float
    updates: int
    median_ms: float
    worst_ms: float
    rows: int


def measure(browser: Browser, url: str, view: str, seconds: float) -> Cost:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.add_init_script(MEASURE % VIEWS[view])
    page.goto(f"{url}?view={view}")
    first_rows_ms = wait_until(lambda: page.evaluate("window.firstRowsMs"), "rows", seconds=60)
    expect(page.get_by_text(f"{MANY} images")).to_be_visible(timeout=60_000)
    page.wait_for_timeout(seconds * 1000)
    batches = [batch["script"] for batch in page.evaluate("window.batches") if not batch["whole"]] or [float("nan")]
    rows = page.locator("main li[data-row]").count()
    context.close()
    return Cost(first_rows_ms / 1000, len(batches), statistics.median(batches), max(batches), rows)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seconds", type=float, default=15)
    given = arguments.parse_args()
    print(f"load average before it: {Path('/proc/loadavg').read_text().split()[0]}")
    print(f"{'view':8} first rows s  updates  script ms: median  most  rows drawn")
    with (
        tempfile.TemporaryDirectory() as folder,
        RowsServer(Path(folder), "many") as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=binaries.debian("chromium"), args=list(BROWSER_FLAGS))
        for view in VIEWS:
            cost = measure(browser, server.url, view, given.seconds)
            print(
                f"{view:8} {cost.first_rows_seconds:12.2f} {cost.updates:8d} {cost.median_ms:18.1f} {cost.worst_ms:5.0f}"
                f" {cost.rows:11d}",
                flush=True,
            )
        browser.close()


if __name__ == "__main__":
    main()
