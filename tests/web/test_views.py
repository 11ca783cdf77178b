"""Each view of the page, against the demo, in a real browser: texts, address, keys, sizes and themes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.cluster.processes import wait_until
from tests.web.conftest import OpenPage

pytestmark = pytest.mark.real("chromium")

VIEWS = ("waiting", "pulls", "nodes", "rollout", "history")
ANY_ROW = {
    "waiting": "main li[data-row]",
    "pulls": "[role=progressbar]",
    "nodes": "main li[data-row] strong",
    "rollout": "nav[aria-label=Workloads] button",
    "history": "li[data-row]",
}
AXE = Path(__file__).parents[2] / "web/node_modules/axe-core/axe.min.js"
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


def at(demo: str, view: str, extra: str = "") -> str:
    return f"{demo}?view={view}{extra}"


@pytest.mark.parametrize("view", VIEWS)
def test_view_shows_the_demo(open_page: OpenPage, demo: str, view: str) -> None:
    """The address opens each view, and the view has rows."""
    page = open_page(at(demo, view))
    expect(page.locator(ANY_ROW[view]).first).to_be_visible()
    expect(page.get_by_role("navigation", name="Views").locator("[aria-current=page]")).to_have_text(
        re.compile(view, re.IGNORECASE)
    )


def test_sentence(open_page: OpenPage, demo: str) -> None:
    """Each waiting pod has a sentence with its estimate, its image and its node."""
    page = open_page(demo)
    row = page.get_by_role("listitem", name=re.compile(r"ready in .+, waiting for .+ on "))
    expect(row.first).to_be_visible()


def test_rows_move_on(open_page: OpenPage, demo: str) -> None:
    """The rows change while the page is open."""
    page = open_page(at(demo, "pulls"))
    expect(page.get_by_role("progressbar").first).to_be_visible()
    rows = page.get_by_role("list", name="Running pulls")
    before = rows.inner_text()
    wait_until(lambda: rows.inner_text() != before, "the rows to change")


def youngest_row(page: Page) -> Locator:
    """Return the running pull with the least progress: it still runs some seconds later."""
    rows = page.locator("li[data-row]").filter(has=page.get_by_role("button", name=re.compile("^Layers of")))
    expect(rows.first).to_be_visible()
    shown = (
        "row => [row.getAttribute('aria-label'), Number(row.querySelector('[role=progressbar]')?.ariaValueNow ?? 100)]"
    )
    name, _ = min(rows.evaluate_all(f"rows => rows.map({shown})"), key=lambda row: row[1])
    return page.get_by_role("listitem", name=name, exact=True).first


def test_deep_link(open_page: OpenPage, demo: str) -> None:
    """A copied address shows the same search, order and opened row, also after a reload."""
    page = open_page(at(demo, "pulls"))
    page.get_by_title("Sort by node").click()
    youngest_row(page).get_by_role("button", name=re.compile("^Layers of")).click()
    expect(page.get_by_role("list", name="Layers").first).to_be_visible()
    address = page.url
    assert "sort=node" in address
    assert "open=" in address
    again = open_page(address)
    expect(again.get_by_role("button", name=re.compile("^Layers of"), expanded=True)).to_have_count(1)
    again.goto(f"{demo}?view=history&state=completed&q=no-such-image")
    expect(again.get_by_text("No matches for “no-such-image”, outcome “Completed”")).to_be_visible()
    again.get_by_role("button", name="Clear filter").first.click()
    assert again.url == f"{demo}?view=history"


def test_back_leads_to_the_view_before(open_page: OpenPage, demo: str) -> None:
    """The browser's back button goes from view to view."""
    page = open_page(demo)
    page.get_by_role("button", name="Nodes", exact=True).click()
    page.get_by_role("button", name="History", exact=True).click()
    page.go_back()
    assert page.url == f"{demo}?view=nodes"
    expect(page.locator(ANY_ROW["nodes"]).first).to_be_visible()


def test_keyboard_alone(open_page: OpenPage, demo: str) -> None:
    """Views, search, rows, help and pause work without a pointer."""
    page = open_page(demo)
    expect(page.locator(ANY_ROW["waiting"]).first).to_be_visible()
    page.keyboard.press("2")
    expect(page.get_by_role("progressbar").first).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name=re.compile("^Layers of"), expanded=True)).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("zzz?")
    expect(page.get_by_text("No matches for “zzz?”")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Search")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.keyboard.press("p")
    expect(page.get_by_text("Paused")).to_be_visible()


def test_pause(open_page: OpenPage, demo: str) -> None:
    """Only the clock of a paused page changes; on resume it shows all changes."""
    page = open_page(at(demo, "pulls"))
    expect(page.get_by_role("progressbar").first).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    rows = page.get_by_role("list", name="Running pulls")
    before = rows.inner_text()
    page.wait_for_timeout(2500)
    assert rows.inner_text() == before
    page.get_by_role("button", name="Pause").click()
    wait_until(lambda: rows.inner_text() != before, "the rows to change after the resume")


@pytest.mark.parametrize("view", VIEWS)
def test_narrow_screen(open_page: OpenPage, demo: str, view: str) -> None:
    """A screen of 390 px does not scroll sideways, and its buttons are large enough to touch."""
    page = open_page(at(demo, view), width=390, height=844, has_touch=True)
    expect(page.locator(ANY_ROW[view]).first).to_be_attached()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for box in (button.bounding_box() for button in page.locator("nav[aria-label=Views] button").all()):
        assert box is not None
        assert min(box["width"], box["height"]) >= 44


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_accessible(open_page: OpenPage, demo: str, view: str, scheme: str) -> None:
    """axe finds no violation of WCAG 2.2 AA, also in an opened row, in both themes."""
    # NOTE: the page's policy forbids the injected script of axe.
    page = open_page(at(demo, view), color_scheme=scheme, bypass_csp=True, reduced_motion="reduce")
    expect(page.locator(ANY_ROW[view]).first).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Pause").click()
    assert violations(page) == []


def violations(page: Page) -> list[str]:
    """Return the violations that axe finds, one line each."""
    page.add_script_tag(path=AXE)
    found = page.evaluate("rules => axe.run(document, rules)", RULES)["violations"]
    return [f"{each['id']}: {node['target']} {node['failureSummary']}" for each in found for node in each["nodes"]]


def test_themes(open_page: OpenPage, demo: str) -> None:
    """The system chooses light or dark until the user does, and the choice is kept."""
    page = open_page(demo, color_scheme="dark")
    background = "getComputedStyle(document.documentElement).backgroundColor"
    dark = page.evaluate(background)
    page.emulate_media(color_scheme="light")
    light = page.evaluate(background)
    assert dark != light
    page.get_by_role("button", name=re.compile("^Theme: system")).click()
    page.get_by_role("button", name=re.compile("^Theme: light")).click()
    expect(page.get_by_role("button", name=re.compile("^Theme: dark"))).to_be_visible()
    assert page.evaluate(background) == dark
    page.reload()
    assert page.evaluate(background) == dark
