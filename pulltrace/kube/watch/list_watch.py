"""What a reflector lists and watches, and how it reads the objects. Light enough for the agent, which does not watch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from pulltrace.kube.decoding.api_objects import Raw, required_text
from pulltrace.kube.decoding.partial_json import MAX_OBJECT_BYTES, Shape

Item = TypeVar("Item")


def name_key(raw: Raw) -> str:
    """Return the key of an object whose name is unique within its watch."""
    return required_text(raw["metadata"]["name"])


@dataclass(frozen=True, slots=True)
class ListWatch(Generic[Item]):
    """One resource, with its selectors and its decoder."""

    resource: str
    """For logs and metrics: `leases`, `pods`."""
    path: str
    decode: Callable[[Raw], Item | None]
    """Return an object's record; None leaves the object out."""
    permission: str
    """What to grant after a 403: `list and watch leases in namespace pulltrace`."""
    key: Callable[[Raw], str] = name_key
    """Return the key of a deleted object."""
    item_key: Callable[[Item], str] | None = None
    """Return the same key of a record; needed to join several namespaces, unless the objects are ephemeral."""
    selectors: Mapping[str, str] = field(default_factory=dict)
    """`fieldSelector` and `labelSelector`."""
    is_wanted: Callable[[bytes], bool] | None = None
    """Return whether a line of the watch is worth decoding; None decodes all."""
    shape: Shape | None = None
    """The fields to read of a large object; None reads all of them."""
    max_bytes: int = MAX_OBJECT_BYTES
    """A longer object is left out before it is decoded."""
    ephemeral: bool = False
    """Missed objects need not be caught up: after the first list, a relist asks only for the current resource version.

    Events are ephemeral. The API server caches none, so it sends no bookmarks, and on a quiet cluster a version expires
    after some minutes; a list of all Events each time would be expensive.
    """
