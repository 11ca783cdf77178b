"""How large images are, from every pull in the cluster that has said so. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from statistics import median

from pulltrace.pulls.references import Reference, parse_reference
from pulltrace.pulls.view import PullView

MAX_NAMES = 20_000
RECENT = 99
"""Sizes that the median is taken of."""
ENOUGH_BYTES = 1024 * 1024
"""A smaller image (the pause of every pod) keeps nobody waiting, and is not usual for those that do."""


@dataclass(frozen=True, slots=True)
class ImageSize:
    """What the pull of an image was, where it was seen last."""

    download_bytes: int
    """What that node had to download: the best guess for the next one, whose layers are often the same."""
    all_bytes: int
    """With the layers that it had already."""


class ImageSizes:
    """Sizes by name, by digest and by repository."""

    def __init__(self, max_names: int = MAX_NAMES) -> None:
        self._max_names = max_names
        self._sizes: dict[str, ImageSize] = {}
        self._recent: deque[int] = deque(maxlen=RECENT)
        self._median: float | None = None

    def learn(self, row: PullView) -> None:
        """Takes in what a row says, once for each name."""
        pull = row.pull
        if pull.total_bytes is None:
            return
        size = ImageSize(pull.total_bytes, pull.total_bytes + pull.cached_bytes)
        names = (*pull.names, *filter(None, (row.image, pull.target_digest)))
        if not names or all(self._sizes.get(name) == size for name in names):
            return
        if size.download_bytes >= ENOUGH_BYTES and all(name not in self._sizes for name in names):
            self._recent.append(size.download_bytes)
            self._median = None
        # A pull that ended before a poll saw it has names and no repository.
        repositories = {*pull.repositories, *(parse_reference(name).source for name in pull.names)}
        for name in (*names, *sorted(repositories)):
            self._sizes.pop(name, None)  # a tag that has moved is new, and so is forgotten last
            self._sizes[name] = size
        while len(self._sizes) > self._max_names:
            del self._sizes[next(iter(self._sizes))]

    def of(self, reference: Reference) -> ImageSize | None:
        """The size of an image by its name or digest."""
        return self._sizes.get(str(reference)) or self._sizes.get(reference.digest or "")

    def usual(self, reference: Reference) -> float | None:
        """For an image that nobody has seen: what another one of its repository was, else the median of what was
        pulled lately; None while nothing was.
        """
        if (other := self._sizes.get(reference.source)) is not None:
            return other.download_bytes
        if self._median is None and self._recent:
            self._median = median(self._recent)
        return self._median
