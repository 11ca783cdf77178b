"""Lists of single pods and of the pods of a workload: the watch has only pods with pending images.

Only lists are used, since the watch needs the permission to list pods anyway. A response is kept for a few seconds and
shared by all callers: a script that waits for a rollout polls often, and so do its fifty copies. The response that a pod
has its images is not kept: another pod of that name may exist by then. A namespace is counted once for all its workloads,
in small pages with pauses between them.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pulltrace.kube.client.aiohttp_client import AiohttpClient
from pulltrace.kube.client.response_cache import ResponseCache
from pulltrace.kube.client.retry import Timing
from pulltrace.kube.decoding.api_objects import Raw, text_or_empty
from pulltrace.kube.decoding.object_reader import ListItem
from pulltrace.kube.errors import ApiUnreachable
from pulltrace.kube.resources.pending_pods import POD_SHAPE, PODS_PATH, PodRecord, image_waits, pod_record
from pulltrace.kube.watch.multi_namespace import in_namespace
from pulltrace.pulls.view import Workload

TTL_SECONDS = 3.0
ABSENT_TTL_SECONDS = 10.0
"""Longer for an absent pod or an empty namespace: the watch reports new pods."""
PAGE_PODS = 100
MAX_PAGES = 100
"""So at most 10,000 pods of a namespace are counted."""
PAGE_PAUSE_SECONDS = 0.05
TTL_SECONDS_A_PAGE = 0.25
"""The count of a large namespace costs many pages and is kept for longer: 25 s for 10,000 pods."""
MAX_WORKLOADS = 20_000
"""Most workloads of all counted namespaces together: about 12 MiB."""
MAX_REQUESTS = 4
"""Concurrent requests; counts run one at a time."""

_Found: TypeAlias = tuple[PodRecord, bool] | None

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,252}")
"""A valid name; anything else, such as a comma, would be more than a name in a selector."""


@dataclass(frozen=True, slots=True)
class _Counts:
    """The pods of a namespace."""

    by_workload: dict[Workload, tuple[int, int]]
    """The number of pods, and of pods with their images."""
    pages: int
    whole: bool
    """Whether all pods were counted."""


def _admit_all() -> None:
    """Admit every caller."""


class PodLister:
    """A `PodLookup` over the API server. All methods raise `kube.errors.KubeError`."""

    def __init__(
        self,
        client: AiohttpClient,
        namespaces: Sequence[str] = (),
        *,
        timing: Timing | None = None,
        page_pods: int = PAGE_PODS,
        max_pages: int = MAX_PAGES,
    ) -> None:
        """`namespaces`: the visible ones, all when empty; pods of others are absent."""
        timing = timing or Timing()
        self._client = client
        self._namespaces = frozenset(namespaces)
        self._sleep = timing.sleep
        self._page_pods, self._max_pages = page_pods, max_pages
        # Requests for clients do not delay the aggregator's own.
        self._own_requests, self._client_requests = asyncio.Semaphore(MAX_REQUESTS), asyncio.Semaphore(MAX_REQUESTS)
        self._counting = asyncio.Semaphore(1)
        self._images = ResponseCache(timing.monotonic, _images_ttl)
        self._counts = ResponseCache(timing.monotonic, _counts_ttl, size=_size_of, max_size=MAX_WORKLOADS)

    async def find(self, namespace: str, name: str) -> PodRecord | None:
        """Return the pod in any phase; None for an absent one."""
        if not self._may_exist(namespace, name):
            return None
        async with self._own_requests:
            found = await self._fetch(namespace, name)
        return found and found[0]

    async def has_images(self, namespace: str, name: str, admit: Callable[[], None] = _admit_all) -> bool | None:
        """Return whether all containers of the pod have their images; None for an absent pod."""
        if not self._may_exist(namespace, name):
            return None
        return await self._images.get((namespace, name), lambda: self._fetch_images(namespace, name), admit)

    async def pods_with_images(self, workload: Workload, admit: Callable[[], None] = _admit_all) -> tuple[int, int]:
        """Return the number of the workload's pods, and of those with all their images.

        Pods that are being deleted do not count, nor pods that failed before they had their images. Raises
        `ApiUnreachable` for a namespace with too many pods to count.
        """
        namespace = workload.namespace
        if not self._is_visible(namespace):
            return 0, 0
        counts = await self._counts.get(namespace, lambda: self._count(namespace), admit)
        if not counts.whole:
            raise ApiUnreachable(f"namespace {namespace} has more than {self._max_pages * self._page_pods} pods")
        return counts.by_workload.get(workload, (0, 0))

    def _may_exist(self, namespace: str, name: str) -> bool:
        return self._is_visible(namespace) and bool(_NAME.fullmatch(name))

    def _is_visible(self, namespace: str) -> bool:
        return bool(_NAME.fullmatch(namespace)) and (not self._namespaces or namespace in self._namespaces)

    async def _fetch_images(self, namespace: str, name: str) -> bool | None:
        async with self._client_requests:
            found = await self._fetch(namespace, name)
        return found and found[1]

    async def _fetch(self, namespace: str, name: str) -> _Found:
        found: list[_Found] = []
        await self._page(namespace, {"fieldSelector": f"metadata.name={name}"}, lambda raw: found.append(read_pod(raw)))
        return found[0] if found else None

    async def _count(self, namespace: str) -> _Counts:
        pods: Counter[Workload] = Counter()
        with_images: Counter[Workload] = Counter()
        params = {"limit": str(self._page_pods)}
        pages = 0
        whole = False

        def count(raw: Raw) -> None:
            if (counted := counted_pod(raw)) is not None:
                workload, ready = counted
                pods[workload] += 1
                with_images[workload] += ready

        async with self._counting:
            for _ in range(self._max_pages):
                pages += 1
                metadata = await self._page(namespace, params, count)
                token = text_or_empty(metadata.get("continue"))
                if whole := not token:
                    break
                params["continue"] = token
                await self._sleep(PAGE_PAUSE_SECONDS)
        return _Counts({workload: (count, with_images[workload]) for workload, count in pods.items()}, pages, whole)

    async def _page(self, namespace: str, params: dict[str, str], handle: Callable[[Raw], None]) -> Raw:
        """Call `handle` with each pod of a page; return the list's metadata. Raises `ApiUnreachable` for an unreadable pod."""

        def read(item: ListItem) -> None:
            if not isinstance(item, dict):
                raise ApiUnreachable("a list of pods contains a pod that is too long, or not JSON")
            handle(item)

        return await self._client.list_page(in_namespace(PODS_PATH, namespace), params, read, shape=POD_SHAPE)


def read_pod(raw: Raw) -> tuple[PodRecord, bool]:
    """Return a pod, and whether it has all its images. Raises `ApiUnreachable` for anything but a Pod."""
    try:
        return pod_record(raw), not image_waits(raw)
    except (KeyError, TypeError, AttributeError) as error:
        raise ApiUnreachable("a list of pods contains something that is not a pod") from error


def counted_pod(raw: Raw) -> tuple[Workload, bool] | None:
    """Return the workload of a pod, and whether the pod has its images; None for a pod that does not count."""
    pod, ready = read_pod(raw)
    failed = not ready and (raw.get("status") or {}).get("phase") == "Failed"
    return None if pod.ending or failed else (pod.workload, ready)


def _images_ttl(with_images: bool | None) -> float:  # noqa: FBT001
    if with_images is None:
        return ABSENT_TTL_SECONDS
    return 0.0 if with_images else TTL_SECONDS


def _counts_ttl(counts: _Counts) -> float:
    least_seconds = TTL_SECONDS if counts.by_workload else ABSENT_TTL_SECONDS
    return max(least_seconds, counts.pages * TTL_SECONDS_A_PAGE)


def _size_of(counts: _Counts) -> int:
    return 1 + len(counts.by_workload)
