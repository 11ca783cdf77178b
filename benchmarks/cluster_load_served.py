"""The API server's own histogram of the kubelets' renewals: without the time in the kubelets' process.

The renewals are the PUTs of Leases: agents send PATCH, and the aggregator's own renewal is one every two seconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf, nan

from tests.cluster.control_plane import ControlPlane

_LINE = re.compile(
    r'^apiserver_request_duration_seconds_(bucket|sum|count)\{(?=[^}]*resource="leases")(?=[^}]*verb="PUT")([^}]*)\} (\S+)$',
    re.MULTILINE,
)
_BOUND = re.compile(r'le="([^"]+)"')


@dataclass(frozen=True)
class Served:
    """The content of a histogram; times in seconds."""

    buckets: Sequence[tuple[float, float]] = ()
    """Upper bound, and the number of values up to it."""
    total: float = 0.0
    count: float = 0.0

    def since(self, before: Served) -> Served:
        counts = dict(before.buckets)
        buckets = [(bound, count - counts.get(bound, 0.0)) for bound, count in self.buckets]
        return Served(buckets, self.total - before.total, self.count - before.count)

    @property
    def mean(self) -> float:
        return self.total / self.count if self.count else nan

    def quantile(self, share: float) -> float:
        """Return a quantile as Prometheus does: linear within a bucket."""
        wanted = share * self.count
        for (low, below), (high, count) in pairwise([(0.0, 0.0), *self.buckets]):
            if count >= wanted and count > below:
                return low if high == inf else low + (high - low) * (wanted - below) / (count - below)
        return nan


def served(control_plane: ControlPlane) -> Served:
    """Return all renewals since the API server's start. The query costs it some tens of milliseconds."""
    bounds: dict[float, float] = {}
    sums = {"sum": 0.0, "count": 0.0}
    for kind, labels, value in _LINE.findall(control_plane.admin.get("/metrics")["text"]):
        if kind == "bucket":
            [bound] = _BOUND.findall(labels)
            bounds[float(bound)] = bounds.get(float(bound), 0.0) + float(value)
        else:
            sums[kind] += float(value)
    return Served(sorted(bounds.items()), sums["sum"], sums["count"])


def together(parts: Iterable[Served]) -> Served:
    bounds: dict[float, float] = {}
    total = count = 0.0
    for part in parts:
        total, count = total + part.total, count + part.count
        for bound, number in part.buckets:
            bounds[bound] = bounds.get(bound, 0.0) + number
    return Served(sorted(bounds.items()), total, count)
