"""The observations of a real containerd, poll by poll, with the truth beside them: JSON lines, small enough to keep.

The first line has the pulled images and the outcome of each pull; every other line is one poll. Digests are cut to 12
hex digits, default values are left out, and polls without news are thinned out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pulltrace.containerd.observation import ImageRecord, LayerObservation, NodeObservation, PullObservation
from tests.cluster.images import Image, PushedLayer

FOLDER = Path(__file__).parent
SAME_SECONDS = 1.0
"""A poll without news is kept when it is this much later than the last one."""

Outcomes = list[list[str]]
"""For each ended pull, newest first: reference of its image (or `?`) and phase."""


@dataclass(frozen=True)
class Recording:
    """A recorded situation."""

    images: tuple[Image, ...]
    outcomes: Outcomes
    polls: tuple[tuple[float, NodeObservation], ...]


def load(path: Path) -> Recording:
    head, *polls = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    images = [
        Image(**{**image, "refs": tuple(image["refs"]), "layers": tuple(PushedLayer(**one) for one in image["layers"])})
        for image in head["images"]
    ]
    return Recording(tuple(images), head["outcomes"], tuple((poll["now"], _observation(poll)) for poll in polls))


def save(path: Path, recording: Recording) -> None:
    head = {"images": [asdict(image) for image in recording.images], "outcomes": recording.outcomes}
    polls = [{"now": round(now, 6), **_shown(observation)} for now, observation in _thinned(recording.polls)]
    text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in (head, *polls))
    path.write_text(re.sub(r"(sha256:[0-9a-f]{12})[0-9a-f]{52}", r"\1", text), encoding="utf-8")


def _thinned(polls: Sequence[tuple[float, NodeObservation]]) -> list[tuple[float, NodeObservation]]:
    kept: list[tuple[float, NodeObservation]] = []
    for now, observation in polls:
        if not kept or observation != kept[-1][1] or now - kept[-1][0] > SAME_SECONDS:
            kept.append((now, observation))
    return kept


def _shown(value: Any) -> Any:
    if isinstance(value, NodeObservation | PullObservation | LayerObservation | ImageRecord):
        defaults = {name: field.default for name, field in value.__dataclass_fields__.items()}
        shown = {name: getattr(value, name) for name in defaults}
        return {name: _shown(each) for name, each in shown.items() if each != defaults[name]}
    if isinstance(value, tuple):
        return [_shown(each) for each in value]
    return round(value, 6) if isinstance(value, float) else value


def _observation(poll: dict[str, Any]) -> NodeObservation:
    images = poll.get("images")
    return NodeObservation(
        tuple(_pull(pull) for pull in poll["pulls"]),
        None if images is None else tuple(ImageRecord(**image) for image in images),
        tuple(_pull(pull) for pull in poll.get("unseen", ())),
    )


def _pull(pull: dict[str, Any]) -> PullObservation:
    layers = pull.get("layers")
    return PullObservation(
        **{
            **pull,
            "repositories": tuple(pull.get("repositories", ())),
            "layers": None if layers is None else tuple(LayerObservation(**layer) for layer in layers),
        }
    )
