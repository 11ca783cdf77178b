"""What the lines of a watch and the pages of a list are made of.

Anything may come out of a connection: a load balancer's HTML with status 200, half a line of a server that
is going down, bytes that are no UTF-8. All of that becomes `ApiUnreachable` here.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, TypeAlias

import orjson

from pulltrace.kube.errors import ApiError, ApiUnreachable, one_line

Raw: TypeAlias = dict[str, Any]
"""An object as the API sends it."""

_VERSION = re.compile(rb'"resourceVersion":\s?"(\d+)"')


def frame(line: bytes) -> tuple[str, Raw]:
    """The type and the object of one line. A proxy's HTML, half a line and bad UTF-8 end here."""
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ApiUnreachable(f"a line of the watch is not JSON ({one_line(str(error))}): {_start(line)}") from error
    if isinstance(event, dict) and isinstance(raw := event.get("object"), dict):
        return str(event.get("type")), raw
    raise ApiUnreachable(f"a line of the watch is not an event: {_start(line)}")


def _start(line: bytes) -> str:
    return repr(one_line(line[:80].decode("utf-8", "replace")))


def version_of(raw: Raw) -> str:
    metadata = raw.get("metadata")
    return str(metadata.get("resourceVersion") or "") if isinstance(metadata, dict) else ""


def version_in(line: bytes) -> str:
    """The version in a line that is not parsed: an object's metadata come first."""
    found = _VERSION.search(line)
    return found[1].decode() if found else ""


def page_of(path: str, page: object) -> tuple[Raw, list[Raw]]:
    if isinstance(page, dict) and isinstance(metadata := page.get("metadata"), dict):
        items = page.get("items")
        if metadata.get("resourceVersion") and (items is None or isinstance(items, list)):
            return metadata, items or []
    raise ApiUnreachable(f"{path} was answered with something that is not a list of objects")


def status_error(status: Raw) -> ApiError:
    """The error inside a watch: a Status object where an object should be."""
    code = status.get("code")
    details = status.get("details")
    after = details.get("retryAfterSeconds") if isinstance(details, dict) else None
    return ApiError(
        code if isinstance(code, int) else 500,
        one_line(str(status.get("message") or status.get("reason") or "an error without a message")),
        float(after) if isinstance(after, int) and after > 0 else None,
    )


def unix_seconds(time: object) -> float | None:
    """A Time or MicroTime of the API in Unix seconds; None when there is none, or nothing that is one."""
    try:
        return datetime.fromisoformat(str(time)).timestamp() if time else None
    except (ValueError, OverflowError):
        return None
