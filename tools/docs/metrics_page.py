"""The table of docs/metrics.md, from the aggregator's registry; the rest of the page is written by hand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter

from prometheus_client import CollectorRegistry

from pulltrace.aggregator.metrics.counters import sample_registry
from tools.docs.tables import DOCS, code, table

PAGE = DOCS / "metrics.md"
BEGIN, END = "<!-- table: made by `python -m tools.docs` -->\n", "<!-- end of the table -->\n"


@dataclass(frozen=True)
class Family:
    """A family of series."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str

    @property
    def series(self) -> tuple[str, ...]:
        """The names for queries."""
        if self.kind == "histogram":
            return tuple(f"{self.name}_{suffix}" for suffix in ("bucket", "count", "sum"))
        return (self.name,)


def families(registry: CollectorRegistry) -> list[Family]:
    """Return the families of a registry by name; each needs a sample that shows its labels."""
    found = []
    for family in registry.collect():
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found.append(Family(name, family.type, tuple(sorted(labels)), family.documentation))
    return sorted(found, key=attrgetter("name"))


def page() -> str:
    """Return the whole page, with a new table between its marks."""
    head, begin, rest = PAGE.read_text().partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{PAGE.name} has lost the marks of its table")
    return f"{head}{begin}\n{rows(families(sample_registry()))}\n{end}{tail}"


def rows(found: Iterable[Family]) -> str:
    lines = [(code(one.name), one.kind, ", ".join(map(code, one.labels)), one.help) for one in found]
    return table(("metric", "type", "labels", "meaning"), lines)


def queryable() -> set[str]:
    """Return the names of all series."""
    return {name for family in families(sample_registry()) for name in family.series}
