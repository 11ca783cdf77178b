"""Sizes of images, learned from every pull in the cluster that reports one. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from statistics import median

from pulltrace.pulls.references import Reference, parse_reference
from pulltrace.pulls.view import PullView

MAX_NAMES = 20_000
RECENT_SIZES = 99
"""Sizes that the median covers."""
MIN_MEDIAN_BYTES = 1024 * 1024
"""A smaller image (the pause of every pod) delays no pod, and would lower the median for those that do."""


@dataclass(frozen=True, slots=True)
class ImageSize:
    """The size of an image where it was pulled last."""

    download_bytes: int
    """Bytes that this node had to download: the best estimate for the next node, which often has the same layers."""
    all_bytes: int
    """With the layers that the node had already."""


class ImageSizes:
    """Sizes by name, by digest and by repository."""

    def __init__(self, max_names: int = MAX_NAMES) -> None:
        self._max_names = max_names
        self._sizes: dict[str, ImageSize] = {}
        self._recent: deque[int] = deque(maxlen=RECENT_SIZES)
        self._median: float | None = None

    def learn(self, row: PullView) -> None:
        """Learn the size of a row's image, once for each name."""
        pull = row.pull
        if pull.total_bytes is None:
            return
        size = ImageSize(pull.total_bytes, pull.total_bytes + pull.cached_bytes)
        names = (*pull.names, *filter(None, (row.image, pull.target_digest)))
        if not names or all(self._sizes.get(name) == size for name in names):
            return
        if size.download_bytes >= MIN_MEDIAN_BYTES and all(name not in self._sizes for name in names):
            self._recent.append(size.download_bytes)
            self._median = None
        # A pull that ended before a poll saw it has names and no repository.
        repositories = {*pull.repositories, *(parse_reference(name).source for name in pull.names)}
        for name in (*names, *sorted(repositories)):
            self._sizes.pop(name, None)  # a tag that has moved is new, and so is forgotten last
            self._sizes[name] = size
        while len(self._sizes) > self._max_names:
            del self._sizes[next(iter(self._sizes))]

    def get(self, reference: Reference) -> ImageSize | None:
        """Return the size of an image by its name or digest."""
        return self._sizes.get(str(reference)) or self._sizes.get(reference.digest or "")

    def guess_bytes(self, reference: Reference) -> float | None:
        """Guess the size of an unknown image: the last one of its repository, else the median of recent pulls."""
        if (other := self._sizes.get(reference.source)) is not None:
            return other.download_bytes
        if self._median is None and self._recent:
            self._median = median(self._recent)
        return self._median
