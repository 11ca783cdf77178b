"""Filters of rows by query parameters: the same for documents and the stream. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

from pulltrace.pulls.model import Phase
from pulltrace.pulls.view import PodState, PodView, PullView, Workload
from pulltrace.server.http.problems import BadParameter

ANY_TEXT = ()
COMMON: Mapping[str, Sequence[str]] = {
    "node": ANY_TEXT,
    "namespace": ANY_TEXT,
    "workload": ANY_TEXT,
    "image": ANY_TEXT,
}
PULL_FILTERS = {**COMMON, "phase": tuple(phase.value for phase in Phase)}
POD_FILTERS = {**COMMON, "state": tuple(state.value for state in PodState)}

WORKLOAD_FORM = "NAMESPACE/KIND/NAME"


@dataclass(frozen=True, slots=True)
class Filters:
    """A row matches when it has one of the values of each field that has any. Equal queries give equal filters."""

    node: tuple[str, ...] = ()
    namespace: tuple[str, ...] = ()
    workload: tuple[Workload, ...] = ()
    image: tuple[str, ...] = ()
    phase: tuple[str, ...] = ()
    """Selects among pulls only."""
    state: tuple[str, ...] = ()
    """Selects among pods only."""

    @classmethod
    def from_query(cls, query: Mapping[str, Sequence[str]]) -> Filters:
        """Read the filters among the parameters of a query; raises BadParameter."""
        given = {each.name: tuple(sorted(set(query.get(each.name, ())))) for each in fields(cls)}
        workloads = tuple(sorted({normalized(read_workload(text)) for text in given.pop("workload")}))
        return cls(workload=workloads, **given)

    def __bool__(self) -> bool:
        return self != NO_FILTERS

    def matches_pull(self, view: PullView) -> bool:
        return (
            (not self.node or view.node in self.node)
            and (not self.phase or view.pull.phase.value in self.phase)
            and (not self.namespace or any(each.namespace in self.namespace for each in view.waiting))
            and (
                not self.workload
                or any(
                    each.workload is not None and normalized(each.workload) in self.workload for each in view.waiting
                )
            )
            and (not self.image or _any_in(self.image, _names(view)))
        )

    def matches_pod(self, view: PodView) -> bool:
        return (
            (not self.node or view.node in self.node)
            and (not self.state or view.state.value in self.state)
            and (not self.namespace or view.namespace in self.namespace)
            and (not self.workload or normalized(view.workload) in self.workload)
            and (not self.image or _any_in(self.image, (need.image for need in view.needs)))
        )


NO_FILTERS = Filters()


def read_workload(text: str, parameter: str = "workload") -> Workload:
    """Read `shop/Deployment/web`; raises BadParameter."""
    parts = text.split("/")
    if len(parts) != 3 or not all(parts):
        raise BadParameter(parameter, text, (), f"{parameter} is written {WORKLOAD_FORM}, such as shop/Deployment/web.")
    return Workload(*parts)


def normalized(workload: Workload) -> Workload:
    """Return the workload with its kind in lower case, so that `Deployment` and `deployment` are equal."""
    return Workload(workload.namespace, workload.kind.lower(), workload.name)


def _names(view: PullView) -> tuple[str, ...]:
    """Return all names that may find the row: the certain one, candidates, repositories and the names in pods."""
    certain = () if view.image is None else (view.image,)
    return (*certain, *view.candidates, *view.pull.repositories, *(each.image for each in view.waiting))


def _any_in(values: Sequence[str], names: Iterable[str]) -> bool:
    return any(value in name for name in names for value in values)
