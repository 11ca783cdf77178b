"""Questions about single pods and workloads that the watch does not answer: it shows none that has its images.

Only lists are asked for, since the right to list pods is there for the watch anyway. An answer holds for a few
seconds, and whoever asks the same meanwhile gets the same: a script that waits for a roll-out asks often, and so
do its fifty copies. That a pod has its images does not hold: another pod of that name may have come meanwhile. A
namespace is counted once for all its workloads, in small pages with pauses between them.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pulltrace.kube.client.aiohttp_client import Connection
from pulltrace.kube.client.response_cache import Answers
from pulltrace.kube.client.retry import Timing
from pulltrace.kube.decoding.fields import Raw, text_of
from pulltrace.kube.decoding.object_fields import POD
from pulltrace.kube.decoding.object_reader import Piece
from pulltrace.kube.errors import ApiUnreachable
from pulltrace.kube.resources.pending_pods import PODS_PATH, PodRecord, image_waits, pod_record
from pulltrace.kube.watch.multi_namespace import in_namespace
from pulltrace.pulls.view import Workload

HOLDS_SECONDS = 3.0
ABSENT_SECONDS = 10.0
"""An absent pod or an empty namespace is asked for again after so long. The watch reports new pods."""
PAGE_PODS = 100
PAGES = 100
"""At most 10,000 pods of a namespace are counted."""
PAGE_PAUSE_SECONDS = 0.05
HOLDS_SECONDS_A_PAGE = 0.25
"""The count of a large namespace costs many pages, so it is kept for longer: 25 s for 10,000 pods."""
KEPT_WORKLOADS = 20_000
"""Workloads of all counted namespaces together: about 12 MiB."""
REQUESTS = 4
"""At a time; others wait for their turn. Of counts there is one at a time."""

_Found: TypeAlias = tuple[PodRecord, bool] | None

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,252}")
"""What may be asked for; anything else (a comma, say) would be more than a name in a selector."""


@dataclass(frozen=True, slots=True)
class _Counts:
    """The pods of a namespace."""

    of_workloads: dict[Workload, tuple[int, int]]
    """The number of pods, and of pods with their images, by workload."""
    pages: int
    whole: bool
    """Whether all of them were counted."""


def _admit_all() -> None:
    """Admit every question."""


class KubePodLookup:
    """A `PodLookup` over the API server; all methods raise `kube.errors.KubeError` when it does not answer."""

    def __init__(
        self,
        connection: Connection,
        namespaces: Sequence[str] = (),
        *,
        timing: Timing | None = None,
        page_pods: int = PAGE_PODS,
        pages: int = PAGES,
    ) -> None:
        """`namespaces`: those that are shown, all when empty; in others there is nothing to be found."""
        timing = timing or Timing()
        self._api = connection
        self._namespaces = frozenset(namespaces)
        self._sleep = timing.sleep
        self._page_pods, self._pages = page_pods, pages
        # Questions of clients do not delay the aggregator's own.
        self._own_turn, self._turn = asyncio.Semaphore(REQUESTS), asyncio.Semaphore(REQUESTS)
        self._count_turn = asyncio.Semaphore(1)
        self._images = Answers(timing.monotonic, _holds_pod_seconds)
        self._counts = Answers(timing.monotonic, _holds_counts_seconds, size=_size_of, most=KEPT_WORKLOADS)

    async def find(self, namespace: str, name: str) -> PodRecord | None:
        """The pod in whatever phase it is: with what it waits for, if anything."""
        if not self._may_exist(namespace, name):
            return None
        async with self._own_turn:
            found = await self._ask(namespace, name)
        return found and found[0]

    async def has_images(self, namespace: str, name: str, admit: Callable[[], None] = _admit_all) -> bool | None:
        """Whether all containers of the pod have their images; None when there is no such pod."""
        if not self._may_exist(namespace, name):
            return None
        return await self._images.get((namespace, name), lambda: self._ask_for_images(namespace, name), admit)

    async def pods_with_images(self, workload: Workload, admit: Callable[[], None] = _admit_all) -> tuple[int, int]:
        """How many pods of the workload there are, and how many of them have all their images.

        Pods that are being deleted are none of them, nor those that were given up before they had their images. Where not all
        pods of the namespace were counted, those of the workload may be among the others: that is an error.
        """
        namespace = workload.namespace
        if not self._is_shown(namespace):
            return 0, 0
        counts = await self._counts.get(namespace, lambda: self._count(namespace), admit)
        if not counts.whole:
            raise ApiUnreachable(f"namespace {namespace} has more than {self._pages * self._page_pods} pods")
        return counts.of_workloads.get(workload, (0, 0))

    def _may_exist(self, namespace: str, name: str) -> bool:
        return self._is_shown(namespace) and bool(_NAME.fullmatch(name))

    def _is_shown(self, namespace: str) -> bool:
        return bool(_NAME.fullmatch(namespace)) and (not self._namespaces or namespace in self._namespaces)

    async def _ask_for_images(self, namespace: str, name: str) -> bool | None:
        async with self._turn:
            found = await self._ask(namespace, name)
        return found and found[1]

    async def _ask(self, namespace: str, name: str) -> _Found:
        found: list[_Found] = []
        await self._page(namespace, {"fieldSelector": f"metadata.name={name}"}, lambda raw: found.append(_read(raw)))
        return found[0] if found else None

    async def _count(self, namespace: str) -> _Counts:
        pods: Counter[Workload] = Counter()
        with_images: Counter[Workload] = Counter()
        params = {"limit": str(self._page_pods)}
        pages = 0
        whole = False

        def count(raw: Raw) -> None:
            if (counted := _counted(raw)) is not None:
                workload, ready = counted
                pods[workload] += 1
                with_images[workload] += ready

        async with self._count_turn:
            for _ in range(self._pages):
                pages += 1
                metadata = await self._page(namespace, params, count)
                token = text_of(metadata.get("continue"))
                if whole := not token:
                    break
                params["continue"] = token
                await self._sleep(PAGE_PAUSE_SECONDS)
        return _Counts({workload: (count, with_images[workload]) for workload, count in pods.items()}, pages, whole)

    async def _page(self, namespace: str, params: dict[str, str], take: Callable[[Raw], None]) -> Raw:
        """Give the pods of a page to `take`, one after another; the list's metadata. One that is not read is an error."""

        def read(piece: Piece) -> None:
            if not isinstance(piece, dict):
                raise ApiUnreachable("a list of pods has a pod in it that is too long, or no JSON")
            take(piece)

        return await self._api.list_page(in_namespace(PODS_PATH, namespace), params, read, shape=POD)


def _read(raw: Raw) -> tuple[PodRecord, bool]:
    """A pod, and whether it has all its images."""
    try:
        return pod_record(raw), not image_waits(raw)
    except (KeyError, TypeError, AttributeError) as error:
        raise ApiUnreachable("a list of pods has something in it that is not a pod") from error


def _counted(raw: Raw) -> tuple[Workload, bool] | None:
    """The workload of a pod, and whether the pod has its images; None for one that ends, or that Kubernetes gave up before."""
    pod, ready = _read(raw)
    given_up = not ready and (raw.get("status") or {}).get("phase") == "Failed"
    return None if pod.ending or given_up else (pod.workload, ready)


def _holds_pod_seconds(with_images: bool | None) -> float:  # noqa: FBT001
    if with_images is None:
        return ABSENT_SECONDS
    return 0.0 if with_images else HOLDS_SECONDS


def _holds_counts_seconds(counts: _Counts) -> float:
    least_seconds = HOLDS_SECONDS if counts.of_workloads else ABSENT_SECONDS
    return max(least_seconds, counts.pages * HOLDS_SECONDS_A_PAGE)


def _size_of(counts: _Counts) -> int:
    return 1 + len(counts.of_workloads)
