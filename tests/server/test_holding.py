"""Who has to go when too much waits for slow viewers."""

from __future__ import annotations

from dataclasses import dataclass

from pulltrace.server.sse.holding import too_dear


@dataclass
class Slow:
    """A viewer, and what waits for it."""

    held: tuple[bytes, ...]


def test_nobody_goes_within_the_bound() -> None:
    """A text counts once, however many wait for it."""
    text = b"x" * 100
    assert too_dear([Slow((text,)) for _ in range(1000)], 100) == []


def test_who_costs_the_most_goes_first() -> None:
    """A text that one waits for alone goes before one that many share, a long one before a short one, and no more than must."""
    shared = b"s" * 100
    many = [Slow((shared,)) for _ in range(10)]
    long, short = Slow((b"l" * 60,)), Slow((b"k" * 40,))

    assert too_dear([*many, short, long], 150) == [long]
    assert too_dear([*many, short, long], 139) == [long, short]
    assert too_dear([*many, short, long], 0) == [long, short, *many]
