"""Bounded values of labels: a name that a user chooses must not become a series. Pure."""

from __future__ import annotations

import re

from pulltrace.pulls.references import parse_reference
from pulltrace.pulls.view import PullView

OTHER = "other"
MAX_REGISTRIES = 15
"""Each has at most about 70 series; see the test of the number of series."""
MAX_NAMESPACES = 100

_HOST = re.compile(r"[a-z0-9]([a-z0-9._-]{0,98}[a-z0-9])?(:\d{1,5})?")
_MIB = 1 << 20


class BoundedLabel:
    """Keeps the first values of a label; all others become `other`."""

    def __init__(self, limit: int = MAX_REGISTRIES) -> None:
        self._limit = limit
        self._known: set[str] = set()

    def __call__(self, value: str) -> str:
        if value in self._known:
            return value
        if len(self._known) >= self._limit or not _HOST.fullmatch(value):
            return OTHER
        self._known.add(value)
        return value


def registry_of(view: PullView) -> str:
    """Return the host of a pull's registry; `unknown` where neither containerd nor the pods report it."""
    if view.pull.repositories:
        return view.pull.repositories[0].partition("/")[0]
    names = [name for name in (view.image, *view.pull.names, *view.candidates) if name]
    return registry_of_image(names[0]) if names else "unknown"


def registry_of_image(image: str) -> str:
    """Return the host of an image's registry, without the port, which containerd does not record either."""
    return parse_reference(image).source.partition("/")[0]


def size_class(total_bytes: int | None) -> str:
    """Return `small` below 100 MiB, `medium` below 1 GiB, `large`, or `unknown`."""
    if total_bytes is None:
        return "unknown"
    return "small" if total_bytes < 100 * _MIB else "medium" if total_bytes < 1024 * _MIB else "large"
