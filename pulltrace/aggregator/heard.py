"""What the kubelets have said in Events: which images they have asked for, and how that went. Pure.

Events only add to what pods and Leases say. They come late, in any order, or not at all (a kubelet has a budget for
them), so for each image of a pod only the newest of each kind is kept. Their times are of the node's clock, to the
second. A container that was asked for and has neither failed nor got its image since stands in the node's queue.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pulltrace.kube.events import EventKind, EventRecord
from pulltrace.kube.pods import ImageWait, Role
from pulltrace.pulls.references import full_name

MAX_PODS = 20_000
"""Of more the oldest are forgotten: a hundred bytes each, for pods that have long been running."""
MAX_IMAGES_OF_A_POD = 50

_TRY = "Failed to pull image"
_TOOK = re.compile(r'" in (?:(\d{1,4})m)?(\d{1,6}(?:\.\d{1,9})?)(ms|s)')


@dataclass(frozen=True, slots=True)
class Said:
    """The newest that was said of one image of a pod; times in Unix seconds on the node's clock."""

    asked_at: float | None = None
    turn: int = 0
    """Tells who asked first within one second: Events of one kubelet come in its order."""
    failed_at: float | None = None
    pulled_at: float | None = None
    tries: int = 0
    """Tries that have failed."""
    tried_at: float | None = None
    """When the last of them did."""
    words: str = ""
    """Why the last of them did."""

    @property
    def asked(self) -> bool:
        """The kubelet waits for an answer. When two things were said in one second, the answer was the later."""
        if self.asked_at is None:
            return False
        return all(at is None or at < self.asked_at for at in (self.failed_at, self.pulled_at))

    @property
    def there(self) -> bool:
        """The container has its image."""
        return self.pulled_at is not None and (self.asked_at is None or self.asked_at <= self.pulled_at)


class Heard:
    """What was said of every pod that may be waiting."""

    def __init__(self, max_pods: int = MAX_PODS) -> None:
        self._max_pods = max_pods
        self._pods: dict[str, dict[str, Said]] = {}
        self._taken = 0
        self.complete = False
        """All that is known to the API server was listed once: what was not heard was, as a rule, not said."""

    def take(self, event: EventRecord) -> bool:
        """Whether it was news."""
        images = self._pods.setdefault(event.pod_uid, {})
        key = event.container or f"@{full_name(event.image or '')}"
        before = images.get(key, Said())
        self._taken += 1
        after = _after(before, event, self._taken)
        if after == before or (key not in images and len(images) >= MAX_IMAGES_OF_A_POD):
            return False
        images[key] = after
        while len(self._pods) > self._max_pods:
            del self._pods[next(iter(self._pods))]
        return True

    def forget(self, uid: str) -> None:
        self._pods.pop(uid, None)

    def of(self, uid: str) -> Mapping[str, Said]:
        """By the key of each image; see `key_of`."""
        return self._pods.get(uid, {})


def key_of(wait: ImageWait) -> str:
    """An image volume is no container, so the kubelet tells of it by the image's name."""
    return f"@{full_name(wait.image)}" if wait.role is Role.VOLUME else wait.name


def pull_seconds(message: str) -> float | None:
    """How long the pull itself took: `Successfully pulled image "…" in 1m2.3s (1m9s including waiting)`."""
    if not message.startswith("Successfully pulled"):
        return None
    match = _TOOK.search(message)
    if match is None:
        return None
    number = float(match[2])
    return 60.0 * int(match[1] or 0) + (number / 1000 if match[3] == "ms" else number)


def _after(said: Said, event: EventRecord, turn: int) -> Said:
    if event.kind is EventKind.PULLING:
        news = said.asked_at is None or said.asked_at < event.at
        return replace(said, asked_at=event.at, turn=turn) if news else said
    if event.kind is EventKind.PULLED:
        return replace(said, pulled_at=_newer(said.pulled_at, event.at))
    said = replace(said, failed_at=_newer(said.failed_at, event.at))
    if event.kind is EventKind.FAILED:
        # What is never pulled is told again and again: these are no tries.
        tried = event.message.startswith(_TRY)
        tries = event.count if tried else 1
        tried_at = _newer(said.tried_at, event.at) if tried else said.tried_at
        said = replace(said, tries=max(said.tries, tries), tried_at=tried_at, words=event.message)
    return said


def _newer(known: float | None, at: float) -> float:
    return at if known is None else max(known, at)
