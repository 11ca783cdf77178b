"""Questions about single pods and workloads that the watch does not answer: it shows none that has its images.

Only lists are asked for, since the right to list pods is there for the watch anyway. An answer holds for a few
seconds, and whoever asks the same meanwhile gets the same: a script that waits for a roll-out asks often, and so
do its fifty copies.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeAlias, TypeVar

from pulltrace.kube.backoff import Timing
from pulltrace.kube.errors import ApiUnreachable
from pulltrace.kube.frames import Raw, page_of, text_of
from pulltrace.kube.namespaces import in_namespace
from pulltrace.kube.pods import PODS_PATH, PodRecord, image_waits, pod_record
from pulltrace.kube.requesting import Requesting
from pulltrace.log_limiter import LogLimiter
from pulltrace.pulls.view import Workload

HOLDS_SECONDS = 3.0
PAGE_PODS = 250
PAGES = 40
"""Of one namespace's pods: 10,000."""
REQUESTS = 4
"""At a time; others wait for their turn."""

Answer = TypeVar("Answer")
_Found: TypeAlias = tuple[PodRecord, bool] | None
_Counts: TypeAlias = dict[Workload, tuple[int, int]]

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,252}")
"""What may be asked for; anything else (a comma, say) would be more than a name in a selector."""

_log = logging.getLogger(__name__)


class KubePodLookup:
    """`PodFinding` over the API server; all methods raise `kube.errors.KubeError` when it does not answer."""

    def __init__(
        self,
        connection: Requesting,
        namespaces: Sequence[str] = (),
        *,
        timing: Timing | None = None,
        page_pods: int = PAGE_PODS,
        pages: int = PAGES,
    ) -> None:
        """`namespaces`: those that are shown, all when empty; in others there is nothing to be found."""
        self._api = connection
        self._namespaces = frozenset(namespaces)
        self._monotonic = (timing or Timing()).monotonic
        self._page_pods, self._pages = page_pods, pages
        self._limiter = LogLimiter()
        self._turn = asyncio.Semaphore(REQUESTS)
        self._asked: dict[tuple[str, str], tuple[float, asyncio.Task[Any]]] = {}

    async def find(self, namespace: str, name: str) -> PodRecord | None:
        """The pod in whatever phase it is: with what it waits for, if anything."""
        found = await self._pod(namespace, name)
        return found and found[0]

    async def has_images(self, namespace: str, name: str) -> bool | None:
        """Whether all containers of the pod have their images; None when there is no such pod."""
        found = await self._pod(namespace, name)
        return found and found[1]

    async def pods_with_images(self, workload: Workload) -> tuple[int, int]:
        """How many pods of the workload there are, and how many of them have all their images.

        Pods that are being deleted are none of them, nor those that were given up before they had their images.
        """
        namespace = workload.namespace
        if not self._shown(namespace):
            return 0, 0
        counts = await self._once((namespace, ""), lambda: self._count(namespace))
        return counts.get(workload, (0, 0))

    async def _pod(self, namespace: str, name: str) -> _Found:
        if not self._shown(namespace) or not _NAME.fullmatch(name):
            return None
        return await self._once((namespace, name), lambda: self._ask(namespace, name))

    def _shown(self, namespace: str) -> bool:
        return bool(_NAME.fullmatch(namespace)) and (not self._namespaces or namespace in self._namespaces)

    async def _once(self, key: tuple[str, str], ask: Callable[[], Coroutine[Any, Any, Answer]]) -> Answer:
        """The answer, shared by all who ask within a few seconds."""
        now = self._monotonic()
        self._asked = {
            other: (at, task)
            for other, (at, task) in self._asked.items()
            if not task.done() or now - at < HOLDS_SECONDS
        }
        if key not in self._asked:
            task = asyncio.create_task(ask())
            task.add_done_callback(_look_at)
            self._asked[key] = (now, task)
        # Whoever goes away does not take the answer from the others.
        answer: Answer = await asyncio.shield(self._asked[key][1])
        return answer

    async def _ask(self, namespace: str, name: str) -> _Found:
        _, items = await self._page(namespace, {"fieldSelector": f"metadata.name={name}"})
        return next((_read(raw) for raw in items), None)

    async def _count(self, namespace: str) -> _Counts:
        pods: Counter[Workload] = Counter()
        with_images: Counter[Workload] = Counter()
        params = {"limit": str(self._page_pods)}
        for _ in range(self._pages):
            metadata, items = await self._page(namespace, params)
            for workload, ready in _counted(items):
                pods[workload] += 1
                with_images[workload] += ready
            token = text_of(metadata.get("continue"))
            if not token:
                break
            params["continue"] = token
        else:
            most = self._pages * self._page_pods
            line = f"namespace {namespace} has more than {most} pods: the others are not counted"
            if limited := self._limiter.take(namespace, line, self._monotonic()):
                _log.warning(limited)
        return {workload: (count, with_images[workload]) for workload, count in pods.items()}

    async def _page(self, namespace: str, params: dict[str, str]) -> tuple[Raw, list[Raw]]:
        path = in_namespace(PODS_PATH, namespace)
        async with self._turn:
            _, page = await self._api.request("GET", path, params=params)
        return page_of(path, page)


def _read(raw: Raw) -> tuple[PodRecord, bool]:
    """A pod, and whether it has all its images."""
    try:
        return pod_record(raw), not image_waits(raw)
    except (KeyError, TypeError, AttributeError) as error:
        raise ApiUnreachable("a list of pods has something in it that is not a pod") from error


def _counted(items: Iterable[Raw]) -> Iterable[tuple[Workload, bool]]:
    for raw in items:
        pod, ready = _read(raw)
        given_up = not ready and (raw.get("status") or {}).get("phase") == "Failed"
        if not pod.ending and not given_up:
            yield pod.workload, ready


def _look_at(task: asyncio.Task[Any]) -> None:
    """An error that nobody waits for any more is no news for the log."""
    if not task.cancelled():
        task.exception()
