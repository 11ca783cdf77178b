"""The web UI: the files that `make web` builds, served from memory.

They are read once, when the server starts. A request's path is a key among these files, so no path leads elsewhere. The UI
uses relative URLs only, so it works under any prefix that a proxy removes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import falcon
import falcon.asgi

BUILT_UI = Path(__file__).parent.parent / "static"

NOT_BUILT = (
    "The web UI is not part of this installation: run `make web`, then start again. The API is at api/v1/pulls.\n"
)

# Names in this folder contain a hash of the content.
_HASHED = "/assets/"
_FOR_EVER = "public, max-age=31536000, immutable"
_ASK_AGAIN = "no-cache"

_CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}


@dataclass(frozen=True, slots=True)
class File:
    """A file of the UI and its headers."""

    content: bytes
    content_type: str
    cache_control: str
    etag: str


class StaticFiles:
    """All paths without a route: the UI, or "not found"."""

    def __init__(self, folder: Path = BUILT_UI) -> None:
        self._files = _read(folder)

    async def answer(self, req: falcon.asgi.Request, resp: falcon.asgi.Response | None, **_: Any) -> None:
        """Respond, as a Falcon sink."""
        assert resp is not None
        path = "/index.html" if req.path == "/" else req.path
        found = self._files.get(path)
        if found is None and path != "/index.html":
            raise falcon.HTTPNotFound(description="There is nothing at this path.")
        if req.method not in {"GET", "HEAD"}:
            raise falcon.HTTPMethodNotAllowed(["GET", "HEAD"])
        if found is None:
            resp.status = falcon.HTTP_503
            resp.content_type = "text/plain; charset=utf-8"
            resp.text = NOT_BUILT
            return
        resp.etag = found.etag
        resp.cache_control = [found.cache_control]
        if found.etag in (each.strip('"') for each in req.if_none_match or ()):
            resp.status = falcon.HTTP_304
            return
        resp.content_type = found.content_type
        resp.data = found.content


def _read(folder: Path) -> dict[str, File]:
    files: dict[str, File] = {}
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            url = f"/{path.relative_to(folder).as_posix()}"
            files[url] = File(
                content,
                _CONTENT_TYPES.get(path.suffix, "application/octet-stream"),
                _FOR_EVER if url.startswith(_HASHED) else _ASK_AGAIN,
                hashlib.sha256(content).hexdigest()[:32],
            )
    return files
