"""What the lines of a watch and the pages of a list are made of.

Anything may come out of a connection: a load balancer's HTML with status 200, half a line of a server that
is going down, bytes that are no UTF-8. All of that becomes `ApiUnreachable` here.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, TypeAlias

from pulltrace.kube.decoding.json_fields import Shape, read_object
from pulltrace.kube.errors import ApiError, ApiUnreachable, one_line

Raw: TypeAlias = dict[str, Any]
"""An object as the API sends it."""

TYPE_BYTES = 32
"""A line begins with its type."""
_NAME = re.compile(rb'"metadata":\s?\{"name":\s?"([a-z0-9.-]{1,253})"')
_NAMESPACE = re.compile(rb'"namespace":\s?"([a-z0-9-]{1,63})"')
_VERSION = re.compile(rb'"resourceVersion":\s?"(\d+)"')


def frame(line: bytes, shape: Shape | None = None) -> tuple[str, Raw]:
    """The type and the object of one line; of a large object only the fields of `shape`. A proxy's HTML, half a line
    and bad UTF-8 end here.
    """
    try:
        event = read_object(line, shape and {"type": None, "object": shape})
    except ValueError as error:
        raise ApiUnreachable(f"a line of the watch is not JSON ({one_line(str(error))}): {_start(line)}") from error
    if isinstance(event, dict) and isinstance(raw := event.get("object"), dict):
        return text_of(event.get("type")), raw
    raise ApiUnreachable(f"a line of the watch is not an event: {_start(line)}")


def _start(line: bytes) -> str:
    return repr(one_line(line[:80].decode("utf-8", "replace")))


def version_of(raw: Raw) -> str:
    metadata = raw.get("metadata")
    return text_of(metadata.get("resourceVersion")) if isinstance(metadata, dict) else ""


def text_of(value: object) -> str:
    """A text as it is; empty for anything else.

    NOTE: `str` of what somebody else sent may be as long as they like, and of a list that is 1,000 deep it is a RecursionError.
    """
    return value if isinstance(value, str) else ""


def metadata_in(line: bytes) -> dict[str, str]:
    """Name and namespace in the beginning of a line or an object that is not parsed, as far as they can be read."""
    found = {"namespace": _NAMESPACE.search(line), "name": _NAME.search(line)}
    return {key: match[1].decode() for key, match in found.items() if match}


def is_deleted(line: bytes) -> bool:
    """Whether a line of a watch reports that its object was deleted."""
    return b'"DELETED"' in line[:TYPE_BYTES]


def deleted_in(line: bytes) -> Raw | None:
    """The object that a line reports as deleted, with no more than its metadata; None for any other line."""
    return {"metadata": metadata_in(line)} if is_deleted(line) else None


def version_in(line: bytes) -> str:
    """The version in a line that is not parsed: an object's metadata come first."""
    found = _VERSION.search(line)
    return found[1].decode() if found else ""


def needed_text(value: object) -> str:
    """The text that must be here; raises `TypeError` for anything else."""
    if not isinstance(value, str):
        raise TypeError(f"a {type(value).__name__} where a text belongs")
    return value


def list_metadata(path: str, page: object) -> Raw:
    """The metadata of a list whose objects were read one by one. Raises `ApiUnreachable` for what is not a list."""
    if isinstance(page, dict) and isinstance(metadata := page.get("metadata"), dict):
        items = page.get("items")
        if text_of(metadata.get("resourceVersion")) and (items is None or isinstance(items, list)):
            return metadata
    raise ApiUnreachable(f"{path} was answered with something that is not a list of objects")


def status_error(status: Raw) -> ApiError:
    """The error inside a watch: a Status object where an object should be."""
    code = status.get("code")
    details = status.get("details")
    after = details.get("retryAfterSeconds") if isinstance(details, dict) else None
    return ApiError(
        code if type(code) is int else 500,
        one_line(text_of(status.get("message")) or text_of(status.get("reason"))) or "an error without a message",
        float(after) if type(after) is int and after > 0 else None,
    )


def unix_seconds(time: object) -> float | None:
    """A Time or MicroTime of the API in Unix seconds; None when there is none, or nothing that is one."""
    try:
        return datetime.fromisoformat(time).timestamp() if time and isinstance(time, str) else None
    except (ValueError, OverflowError):
        return None
