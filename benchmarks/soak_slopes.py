"""Whether what a process holds stays the same: a line through its samples, and how steep it may be. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

HOUR_SECONDS = 3600.0


@dataclass(frozen=True)
class Sample:
    """The resources at one moment."""

    at: float
    """Seconds since the begin of the soak."""
    held: Mapping[str, float]


@dataclass(frozen=True)
class Slope:
    """How one figure moved after the warm-up."""

    name: str
    first: float
    last: float
    per_hour: float
    most_per_hour: float

    @property
    def flat(self) -> bool:
        """Only growth is a fault: what was taken up at the start may be given back."""
        return self.per_hour <= self.most_per_hour

    def __str__(self) -> str:
        verdict = "flat" if self.flat else "NOT FLAT"
        moved = f"{self.first:9.1f} {self.last:9.1f} {self.per_hour:+10.2f} {self.most_per_hour:9.1f}"
        return f"{self.name:28}{moved}  {verdict}"


HEAD = f"{'':28}{'first':>9} {'last':>9} {'an hour':>10} {'at most':>9}"


def per_hour(points: Sequence[tuple[float, float]]) -> float:
    """Return the slope of the least-squares line through (seconds, value), for an hour."""
    mean_at = sum(at for at, _ in points) / len(points)
    mean = sum(value for _, value in points) / len(points)
    spread = sum((at - mean_at) ** 2 for at, _ in points)
    return sum((at - mean_at) * (value - mean) for at, value in points) / spread * HOUR_SECONDS


def slopes(samples: Sequence[Sample], warm_up_seconds: float, bounds: Mapping[str, float]) -> list[Slope]:
    """Return the slope of every bounded figure. Raises ValueError for too few samples."""
    warm = [sample for sample in samples if sample.at >= warm_up_seconds]
    if len(warm) < 3:
        raise ValueError(f"{len(warm)} samples after a warm-up of {warm_up_seconds:g} s: at least 3 are needed")
    found = []
    for name, most in bounds.items():
        points = [(sample.at, sample.held[name]) for sample in warm]
        found.append(Slope(name, points[0][1], points[-1][1], per_hour(points), most))
    return found
