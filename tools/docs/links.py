"""A hook of mkdocs: links from the documentation to files of the repository lead to GitHub on the site.

In the repository such a link is relative, so that it can be followed in an editor and on GitHub, and so that the
tests see when it leads nowhere. The site has only docs/.
"""

from __future__ import annotations

import posixpath
import re
from typing import Any

BLOB = "https://github.com/d44b/pulltrace/blob/main/"
LINK = re.compile(r"(\]\()(\.\./[^)\s]+)(\))")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """The page's Markdown, as mkdocs asks for it."""
    return rewritten(markdown, posixpath.dirname(page.file.src_uri))


def rewritten(markdown: str, folder: str) -> str:
    """Markdown of a page in this folder of docs/, whose links out of docs/ lead to GitHub."""

    def away(match: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join("docs", folder, match[2]))
        return match[0] if path.startswith("docs/") else f"{match[1]}{BLOB}{path}{match[3]}"

    return LINK.sub(away, markdown)
