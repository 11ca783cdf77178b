"""How many things are in each container of some objects, and of all that these hold."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

_COUNTED = (Mapping, Sequence, AbstractSet, deque)
_TEXT = (str, bytes, bytearray, range)


def container_sizes(**objects: object) -> Counter[str]:
    """By the way that leads there, as attributes; the containers of all entries of a container are added up."""
    found: Counter[str] = Counter()
    seen: set[int] = set()
    waiting = list(objects.items())
    while waiting:
        way, it = waiting.pop()
        if id(it) in seen or isinstance(it, type):
            continue
        seen.add(id(it))
        if isinstance(it, _COUNTED) and not isinstance(it, _TEXT):
            found[way] += len(it)
            waiting += [(f"{way}[]", each) for each in _entries(it)]
        elif type(it).__module__.startswith(("pulltrace.", "prometheus_client.")):
            waiting += [(f"{way}.{name}", value) for name, value in _attributes(it)]
    return found


def _entries(container: Collection[object]) -> Iterator[object]:
    if isinstance(container, Mapping):
        yield from container.keys()
        yield from container.values()
    else:
        yield from container


def _attributes(it: object) -> Iterator[tuple[str, object]]:
    yield from getattr(it, "__dict__", {}).items()
    for kind in type(it).__mro__:
        for name in getattr(kind, "__slots__", ()):
            if hasattr(it, name):
                yield name, getattr(it, name)
