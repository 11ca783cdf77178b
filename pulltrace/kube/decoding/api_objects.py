"""Objects of the API as JSON: lines of a watch, the metadata of a list, an error Status, and single values.

A connection may bring any bytes: a load balancer's HTML with status 200, half a line of a server that shuts down, bytes
that are not UTF-8. All of them become `ApiUnreachable` here.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, TypeAlias

from pulltrace.kube.decoding.partial_json import Shape, read_object
from pulltrace.kube.errors import ApiError, ApiUnreachable, one_line

Raw: TypeAlias = dict[str, Any]
"""An object as the API sends it."""

TYPE_BYTES = 32
"""The type of a watch's line is within its first bytes."""
_NAME = re.compile(rb'"metadata":\s?\{"name":\s?"([a-z0-9.-]{1,253})"')
_NAMESPACE = re.compile(rb'"namespace":\s?"([a-z0-9-]{1,63})"')
_VERSION = re.compile(rb'"resourceVersion":\s?"(\d+)"')


def decode_watch_line(line: bytes, shape: Shape | None = None) -> tuple[str, Raw]:
    """Return the type and the object of one line; of a large object only the fields of `shape`.

    Raises `ApiUnreachable` for anything else, such as HTML, half a line or bad UTF-8.
    """
    try:
        event = read_object(line, shape and {"type": None, "object": shape})
    except ValueError as error:
        raise ApiUnreachable(f"a line of the watch is not JSON ({one_line(str(error))}): {_start(line)}") from error
    if isinstance(event, dict) and isinstance(raw := event.get("object"), dict):
        return text_or_empty(event.get("type")), raw
    raise ApiUnreachable(f"a line of the watch is not an event: {_start(line)}")


def _start(line: bytes) -> str:
    return repr(one_line(line[:80].decode("utf-8", "replace")))


def resource_version(raw: Raw) -> str:
    """Return the object's `resourceVersion`; empty without one."""
    metadata = raw.get("metadata")
    return text_or_empty(metadata.get("resourceVersion")) if isinstance(metadata, dict) else ""


def scan_metadata(line: bytes) -> dict[str, str]:
    """Return name and namespace, as far as they are in the first bytes of an object that is not decoded."""
    found = {"namespace": _NAMESPACE.search(line), "name": _NAME.search(line)}
    return {key: match[1].decode() for key, match in found.items() if match}


def scan_resource_version(line: bytes) -> str:
    """Return the `resourceVersion` of a line that is not decoded; an object's metadata comes first."""
    found = _VERSION.search(line)
    return found[1].decode() if found else ""


def is_deletion(line: bytes) -> bool:
    """Return whether a line of a watch reports a deletion."""
    return b'"DELETED"' in line[:TYPE_BYTES]


def deleted_object(line: bytes) -> Raw | None:
    """Return the deleted object of a line that is not decoded, with name and namespace only; None for other lines."""
    return {"metadata": scan_metadata(line)} if is_deletion(line) else None


def list_metadata(path: str, page: object) -> Raw:
    """Return the metadata of a list whose objects were read one by one. Raises `ApiUnreachable` for anything else."""
    if isinstance(page, dict) and isinstance(metadata := page.get("metadata"), dict):
        items = page.get("items")
        if text_or_empty(metadata.get("resourceVersion")) and (items is None or isinstance(items, list)):
            return metadata
    raise ApiUnreachable(f"{path} was answered with something that is not a list of objects")


def status_error(status: Raw) -> ApiError:
    """Return the error of a watch's `ERROR` event, whose object is a Status."""
    code = status.get("code")
    details = status.get("details")
    after = details.get("retryAfterSeconds") if isinstance(details, dict) else None
    reason = text_or_empty(status.get("message")) or text_or_empty(status.get("reason"))
    return ApiError(
        code if type(code) is int else 500,
        one_line(reason) or "an error without a message",
        float(after) if type(after) is int and after > 0 else None,
    )


def text_or_empty(value: object) -> str:
    """Return a text as it is, and an empty one for anything else.

    NOTE: `str` of an outside value has no bound, and of a list 1,000 deep it is a RecursionError.
    """
    return value if isinstance(value, str) else ""


def required_text(value: object) -> str:
    """Return a text as it is. Raises `TypeError` for anything else."""
    if not isinstance(value, str):
        raise TypeError(f"a {type(value).__name__} where a text belongs")
    return value


def object_or_empty(value: object) -> Raw:
    """Return an object as it is, and an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def unix_seconds(time: object) -> float | None:
    """Return a Time or MicroTime of the API in Unix seconds; None for anything else."""
    try:
        return datetime.fromisoformat(time).timestamp() if time and isinstance(time, str) else None
    except (ValueError, OverflowError):
        return None
