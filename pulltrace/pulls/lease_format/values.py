"""One pull as a compact JSON value of the Lease format, and back, with every field checked.

The layers are one text, separated by spaces: digest, letter of the state, size. A downloading layer also has `/` and
its downloaded bytes. A layer's digest has its first 12 hex digits, as in `docker pull`. The target's digest is whole,
without `sha256:`.
Times are seconds since `start`, so they depend on the agent's clock only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pulltrace.pulls.formatting import from_rfc3339, rfc3339
from pulltrace.pulls.model import Layer, LayerState, Phase, Pull
from pulltrace.pulls.time_left import TimeLeft

SHORT_DIGEST = 12
MAX_BYTES = 2**53
"""JSON readers lose precision above it, and no image is as large."""
MAX_TEXT = 1024
MAX_NAMES = 16
MAX_LAYERS = 512
MAX_SECONDS = 366 * 86400.0
MAX_START = 4_102_444_800.0
"""The year 2100. Arithmetic fails on times near the end of the calendar."""

_ID = re.compile(r"[0-9a-f]{12}")
_SHA256 = "sha256:"
_SHA256_HEX = re.compile(r"[0-9a-f]{64}")
_OTHER_DIGEST = re.compile(r"[a-z0-9+._-]{1,32}:[0-9a-fA-F]{12,128}")
_LAYER = re.compile(r"([0-9a-f]{12})([qcdwuxl])([0-9]{1,16})(?:/([0-9]{1,16}))?", re.ASCII)
_MARKUP = re.compile("[<>]")
"""No image name has these characters. They would only make sense as an attack on a page."""

_STATE_LETTERS = {
    LayerState.QUEUED: "q",
    LayerState.CACHED: "c",
    LayerState.DOWNLOADING: "d",
    LayerState.DOWNLOADED: "w",
    LayerState.UNPACKING: "u",
    LayerState.DONE: "x",
    LayerState.LAZY: "l",
}
_WITHOUT_BYTES = (LayerState.QUEUED, LayerState.LAZY)
_LETTER_STATES = {letter: state for state, letter in _STATE_LETTERS.items()}


class InvalidValue(ValueError):
    """A value that the format does not allow. The text has the field and the reason."""


def pull_to_json(pull: Pull) -> dict[str, Any]:
    """Return the value of a running pull. The annotation's key has the id."""
    left = pull.time_left
    value: dict[str, Any] = {
        "phase": pull.phase.value,
        "repo": _acceptable(pull.repositories),
        "names": _acceptable(pull.names),
        "target": _digest_to_text(pull.target_digest or ""),
        "start": rfc3339(pull.started_at),
        "progress": _after(pull.progressed_at, pull),
        "total": pull.total_bytes,
        "done": pull.downloaded_bytes,
        "cached": pull.cached_bytes,
        "lazy": pull.lazy_bytes,
        "unpacked": pull.unpacked_bytes,
        "rate": round(pull.bytes_per_second),
        "left": None if left is None else _rounded(left.likely),
        "range": None if left is None or left.bounds is None else [_rounded(bound) for bound in left.bounds],
        "count": pull.layer_count if pull.layer_count != len(pull.layers) else 0,
        "ready": pull.layers_done,
        "layers": " ".join(map(_layer_to_text, pull.layers[:MAX_LAYERS])),
    }
    return {key: item for key, item in value.items() if item or (key in {"total", "left"} and item is not None)}


def recent_to_json(pull: Pull) -> dict[str, Any]:
    """Return the value of an ended pull, with the fields that the history shows."""
    names = _acceptable(pull.names)
    tagged = [name for name in names if "@" not in name]
    value: dict[str, Any] = {
        "id": pull.id,
        "phase": pull.phase.value,
        "names": tagged[:2] or names[:1],
        "repo": [] if names else _acceptable(pull.repositories)[:2],
        "start": rfc3339(pull.started_at),
        "end": _after(pull.ended_at if pull.ended_at is not None else pull.progressed_at, pull),
        "total": pull.total_bytes,
        "done": pull.downloaded_bytes if pull.downloaded_bytes != pull.total_bytes else None,
        "cached": pull.cached_bytes,
        "lazy": pull.lazy_bytes,
        "count": pull.layer_count,
        "ready": pull.layers_done if pull.phase is not Phase.COMPLETED else 0,
        "error": clean(pull.error)[:200] if pull.error else None,
    }
    return {key: item for key, item in value.items() if item or (key in {"total", "done", "end"} and item is not None)}


def pull_from_json(pull_id: object, value: dict[str, Any]) -> Pull:
    """Return the pull of a value. Raises `InvalidValue`."""
    if not isinstance(pull_id, str) or not _ID.fullmatch(pull_id):
        raise InvalidValue(f"id {shown(pull_id)} is not 12 hex digits")
    try:
        phase = Phase(_text(value["phase"]))
        started_at = from_rfc3339(value["start"])
    except (KeyError, TypeError, ValueError, OverflowError):
        raise InvalidValue("phase or start is missing or not valid") from None
    if not 0 <= started_at < MAX_START:
        raise InvalidValue(f"start {value['start']!r} is not from 1970 to 2100")
    total = _count(value, "total") if "total" in value else None
    done = _count(value, "done") if "done" in value or not phase.ended else (total or 0)
    layers = _layers(value.get("layers", ""))
    end = _seconds(value, "end")
    if total is not None and done > total:
        raise InvalidValue(f"done {done} is more than total {total}")
    return Pull(
        id=pull_id,
        phase=phase,
        started_at=started_at,
        progressed_at=started_at + (_seconds(value, "progress") or end or 0.0),
        ended_at=None if end is None else started_at + end,
        repositories=_texts(value, "repo"),
        names=_texts(value, "names"),
        target_digest=_digest(value.get("target")),
        total_bytes=total,
        downloaded_bytes=done,
        cached_bytes=_count(value, "cached"),
        lazy_bytes=_count(value, "lazy"),
        unpacked_bytes=(total or 0) if phase is Phase.COMPLETED else _count(value, "unpacked"),
        bytes_per_second=float(_count(value, "rate")),
        time_left=_time_left(value),
        error=clean(value["error"][:MAX_TEXT]) if isinstance(value.get("error"), str) else None,
        layer_count=max(_count(value, "count"), len(layers)),
        layers_done=_count(value, "count") if phase is Phase.COMPLETED else _count(value, "ready"),
        layers=layers,
    )


def _text(value: object) -> str:
    """Return the text. NOTE: an enum's own error prints its argument, however deep that is."""
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _acceptable(texts: Sequence[str]) -> list[str]:
    """Return the texts that a reader accepts. One refused name would cost the whole pull."""
    return [text for text in texts if _is_text(text)][:MAX_NAMES]


def _is_text(value: object) -> bool:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT:
        return False
    return value.isprintable() and not _MARKUP.search(value)


def _after(moment: float, pull: Pull) -> float:
    return round(max(0.0, min(moment - pull.started_at, MAX_SECONDS)), 1)


def _layer_to_text(layer: Layer) -> str:
    digest = layer.digest.partition(":")[2][:SHORT_DIGEST]
    value = f"{digest}{_STATE_LETTERS[layer.state]}{layer.size_bytes}"
    return f"{value}/{layer.downloaded_bytes}" if layer.state is LayerState.DOWNLOADING else value


def _layers(value: object) -> tuple[Layer, ...]:
    if not isinstance(value, str) or value.count(" ") >= MAX_LAYERS:
        raise InvalidValue(f"layers is not a text of at most {MAX_LAYERS}")
    return tuple(map(_layer_from_text, value.split(" "))) if value else ()


def _layer_from_text(text: str) -> Layer:
    match = _LAYER.fullmatch(text)
    if match is None:
        raise InvalidValue(f"layer {text[:64]!r} is not 12 hex digits, letter of a state, size")
    digest, letter, size, arrived = match[1], match[2], int(match[3]), match[4]
    state = _LETTER_STATES[letter]
    done = int(arrived) if arrived is not None else 0 if state in _WITHOUT_BYTES else size
    if (state is LayerState.DOWNLOADING) is (arrived is None) or done > size or size >= MAX_BYTES:
        raise InvalidValue(f"layer {text[:64]!r}: bytes beyond its size, or not of its state")
    return Layer(_SHA256 + digest, size, done, state)


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < MAX_BYTES


def _count(value: dict[str, Any], key: str) -> int:
    count = value.get(key, 0)
    if not _is_count(count):
        raise InvalidValue(f"{key} {shown(count)} is not a whole number from 0 to 2^53")
    return int(count)


def _seconds(value: dict[str, Any], key: str) -> float | None:
    if key not in value:
        return None
    seconds = value[key]
    if type(seconds) not in (int, float) or not 0 <= seconds <= MAX_SECONDS:
        raise InvalidValue(f"{key} {shown(seconds)} is not a number of seconds up to a year")
    return float(seconds)


def _rounded(seconds: float) -> float:
    return round(min(seconds, MAX_SECONDS), 1)


def _time_left(value: dict[str, Any]) -> TimeLeft | None:
    likely, bounds = _seconds(value, "left"), _range(value)
    if likely is None:
        return None
    return TimeLeft.exactly(likely) if bounds is None else TimeLeft(likely, *bounds)


def _range(value: dict[str, Any]) -> tuple[float, float] | None:
    match value.get("range"):
        case None:
            return None
        case [soonest, latest]:
            bounds = _seconds({"range": soonest}, "range"), _seconds({"range": latest}, "range")
            if bounds[0] is not None and bounds[1] is not None and bounds[0] <= bounds[1]:
                return bounds[0], bounds[1]
    raise InvalidValue(f"range {shown(value['range'])} is not two numbers of seconds, the smaller first")


def _texts(value: dict[str, Any], key: str) -> tuple[str, ...]:
    texts = value.get(key, [])
    if not isinstance(texts, list) or len(texts) > MAX_NAMES:
        raise InvalidValue(f"{key} is not a list of at most {MAX_NAMES} texts")
    if not all(map(_is_text, texts)):
        raise InvalidValue(
            f"{key} has an entry that is not a printable text without markup of at most {MAX_TEXT} characters"
        )
    return tuple(texts)


def _digest_to_text(digest: str) -> str:
    bare = digest.removeprefix(_SHA256)
    return bare if _SHA256_HEX.fullmatch(bare) else digest


def _digest(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, str) and _SHA256_HEX.fullmatch(value):
        return _SHA256 + value
    if isinstance(value, str) and _OTHER_DIGEST.fullmatch(value):
        return value
    raise InvalidValue(f"target {shown(value)} is not a digest")


def shown(value: object) -> str:
    """Return the value as a problem shows it. NOTE: `repr` of a list that is 1,000 deep raises RecursionError."""
    return f"a {type(value).__name__}" if isinstance(value, list | dict) else repr(str(value)[:32])


def clean(text: str) -> str:
    """Return the text without invisible characters, line ends, and marks that reverse the direction of text."""
    return text if text.isprintable() else "".join(each if each.isprintable() else "�" for each in text)
