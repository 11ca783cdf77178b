"""A hook of mkdocs: on the site, links to files of the repository lead to GitHub.

In the repository such a link is relative: editors and GitHub follow it, and tests check it. The site has only docs/.
"""

from __future__ import annotations

import posixpath
import re
from typing import Any

BLOB = "https://github.com/d44b/pulltrace/blob/main/"
LINK = re.compile(r"(\]\()(\.\./[^)\s]+)(\))")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Return the Markdown of a page; mkdocs calls this."""
    return rewritten(markdown, posixpath.dirname(page.file.src_uri))


def rewritten(markdown: str, folder: str) -> str:
    """Return the Markdown of a page in a folder of docs/, with links out of docs/ to GitHub."""

    def away(match: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join("docs", folder, match[2]))
        return match[0] if path.startswith("docs/") else f"{match[1]}{BLOB}{path}{match[3]}"

    return LINK.sub(away, markdown)
