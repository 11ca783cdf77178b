"""Whose texts are dropped when too much waits for viewers that read slowly: pure.

Viewers share the texts that they are sent, so ten thousand of them may wait for one snapshot. But each one that comes at
another moment begins with another snapshot, and one that reads 2 KiB a second holds its own of some MiB for an hour.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar


class Holder(Protocol):
    """Somebody for whom texts wait."""

    @property
    def held(self) -> Iterable[bytes]: ...


Anyone = TypeVar("Anyone", bound=Holder)


def too_dear(holders: Iterable[Anyone], most_bytes: int) -> list[Anyone]:
    """Who has to go so that no more than so many bytes are held: those first whose texts cost the most for each who waits."""
    waiting: dict[int, tuple[bytes, list[Anyone]]] = {}
    for holder in holders:
        for text in holder.held:
            waiting.setdefault(id(text), (text, []))[1].append(holder)
    total_bytes = sum(len(text) for text, _ in waiting.values())
    if total_bytes <= most_bytes:
        return []
    gone: dict[int, Anyone] = {}
    for text, of_text in sorted(waiting.values(), key=lambda each: len(each[0]) / len(each[1]), reverse=True):
        if total_bytes <= most_bytes:
            break
        gone |= {id(holder): holder for holder in of_text}
        total_bytes -= len(text)
    return list(gone.values())
