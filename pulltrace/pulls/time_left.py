"""How long something still takes: one type for pulls, images, pods and workloads. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TimeLeft:
    """Seconds from the moment of the estimate to the end."""

    likely: float
    soonest: float
    latest: float | None
    """None without an upper bound: an image of unknown size or an init container comes first."""

    @classmethod
    def exactly(cls, seconds: float) -> TimeLeft:
        """Return an estimate whose bounds do not differ."""
        return cls(seconds, seconds, seconds)

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Soonest and latest; None where they add nothing to `likely`, or the latest is unknown."""
        if self.latest is None or self.soonest == self.likely == self.latest:
            return None
        return self.soonest, self.latest

    def after(self, seconds: float) -> TimeLeft:
        """Return what is left so many seconds later; never less than zero."""
        latest = None if self.latest is None else max(0.0, self.latest - seconds)
        return TimeLeft(max(0.0, self.likely - seconds), max(0.0, self.soonest - seconds), latest)


def last_of(times: Sequence[TimeLeft | None]) -> TimeLeft | None:
    """Return the time to the end of all of them; None when there is none, or one has no estimate."""
    known = [left for left in times if left is not None]
    if not known or len(known) < len(times):
        return None
    latest = [left.latest for left in known if left.latest is not None]
    return TimeLeft(
        likely=max(left.likely for left in known),
        soonest=max(left.soonest for left in known),
        latest=max(latest) if len(latest) == len(known) else None,
    )
