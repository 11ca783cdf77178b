"""Write the generated pages, or name those that are out of date."""

from __future__ import annotations

import sys
from collections.abc import Callable

from tools.docs import api_page, metrics_page, settings_page, values_page
from tools.docs.tables import DOCS

PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings_page.page,
    "values.md": values_page.page,
    "metrics.md": metrics_page.page,
    "api-reference.md": api_page.page,
}


def outdated() -> list[str]:
    """Return the names of the pages that differ from the code's."""
    return [name for name, page in PAGES.items() if not (DOCS / name).exists() or (DOCS / name).read_text() != page()]


def main() -> None:
    stale = outdated()
    if "--check" in sys.argv[1:]:
        sys.exit(f"out of date: {', '.join(f'docs/{name}' for name in stale)}; run: make pages" if stale else None)
    for name in stale:
        (DOCS / name).write_text(PAGES[name]())
        print(f"wrote docs/{name}")


if __name__ == "__main__":
    main()
