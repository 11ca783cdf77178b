"""Values of labels, of which there is an end: a name that a user chooses must not become a series of its own. Pure."""

from __future__ import annotations

import re

from pulltrace.pulls.references import parse_reference
from pulltrace.pulls.view import PullView

OTHER = "other"
MOST_REGISTRIES = 15
"""Each is about 70 series at most; see the test of the number of series."""
MOST_NAMESPACES = 100

_HOST = re.compile(r"[a-z0-9]([a-z0-9._-]{0,98}[a-z0-9])?(:\d{1,5})?")
_MIB = 1 << 20


class BoundedLabel:
    """The first values that come have a label of their own; all others share one."""

    def __init__(self, most: int = MOST_REGISTRIES) -> None:
        self._most = most
        self._known: set[str] = set()

    def __call__(self, value: str) -> str:
        if value in self._known:
            return value
        if len(self._known) >= self._most or not _HOST.fullmatch(value):
            return OTHER
        self._known.add(value)
        return value


def registry_of(view: PullView) -> str:
    """The host of the registry that a pull asks; `unknown` where neither containerd nor the pods have said."""
    if view.pull.repositories:
        return view.pull.repositories[0].partition("/")[0]
    names = [name for name in (view.image, *view.pull.names, *view.candidates) if name]
    return registry_of_image(names[0]) if names else "unknown"


def registry_of_image(image: str) -> str:
    """The same of a name, without the port, which containerd does not note either."""
    return parse_reference(image).source.partition("/")[0]


def size_class(total_bytes: int | None) -> str:
    """`small` below 100 MiB, `medium` below 1 GiB, `large`."""
    if total_bytes is None:
        return "unknown"
    return "small" if total_bytes < 100 * _MIB else "medium" if total_bytes < 1024 * _MIB else "large"
