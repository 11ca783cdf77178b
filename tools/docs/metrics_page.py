"""docs/metrics.md: the metrics, from the registry that the aggregator serves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter

from prometheus_client import CollectorRegistry

from pulltrace.aggregator.cluster import Cluster
from pulltrace.aggregator.metrics import Metrics
from pulltrace.aggregator.store import PullStore
from tools.docs.tables import GENERATED, code, table

HEAD = """\
# Metrics

`GET /metrics` on the aggregator's second port (9090 unless set otherwise), in Prometheus' text form. Nothing is labelled by image, pod or layer: there is no
end to those. What to do with them is in [Monitoring](monitoring.md).

"""


@dataclass(frozen=True)
class Family:
    """A family of series."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str

    @property
    def series(self) -> tuple[str, ...]:
        """The names that a query can use."""
        if self.kind == "histogram":
            return tuple(f"{self.name}_{suffix}" for suffix in ("bucket", "count", "sum"))
        return (self.name,)


def registry() -> CollectorRegistry:
    """The registry of an aggregator that has seen nothing yet."""
    store = PullStore()
    return Metrics(store, Cluster(store, 60), lambda: 0).registry


def families() -> list[Family]:
    """What the aggregator exports, by name."""
    return sorted(found(registry()), key=attrgetter("name"))


def found(registry: CollectorRegistry) -> Iterator[Family]:
    for collector in registry._collector_to_names:  # noqa: SLF001 - the labels of a family without samples are nowhere else
        for family in collector.collect():
            labels: tuple[str, ...] = getattr(collector, "_labelnames", ()) or getattr(family, "_labelnames", ())
            sampled = {label for sample in family.samples for label in sample.labels} - {"le"}
            name = f"{family.name}_total" if family.type == "counter" else family.name
            yield Family(name, family.type, tuple(labels or sorted(sampled)), family.documentation)


def page() -> str:
    """The whole page."""
    rows = [(code(one.name), one.kind, ", ".join(map(code, one.labels)), one.help) for one in families()]
    return GENERATED + HEAD + table(("name", "type", "labels", "meaning"), rows)


def queryable() -> set[str]:
    """The names of all series."""
    return {name for family in families() for name in family.series}
