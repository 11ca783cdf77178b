"""The Lease format: a node's report as annotations of its Lease, and back. See docs/lease-format.md.

    pulltrace.io/summary      one line for people
    pull.pulltrace.io/<id>    a running pull; a patch has only the pulls that changed
    pulltrace.io/recent       the ended pulls, newest first
    pulltrace.io/node         the node's unpack rate, the agent's errors, and how many pulls were left out

Every JSON value has its format version as `v`. Another version or another program may have written a Lease. So a reader
ignores unknown keys, and reports unusable values as problems.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from pulltrace.pulls.formatting import human_bytes, human_seconds
from pulltrace.pulls.lease_format.values import (
    MAX_BYTES,
    InvalidValue,
    clean,
    pull_from_json,
    pull_to_json,
    recent_to_json,
    shown,
)
from pulltrace.pulls.model import LayerState, NodeReport, Phase, Pull
from pulltrace.pulls.references import short_name
from pulltrace.pulls.thresholds import RECENT_SECONDS

SUMMARY = "pulltrace.io/summary"
RECENT = "pulltrace.io/recent"
NODE = "pulltrace.io/node"
PULL_PREFIX = "pull.pulltrace.io/"
VERSION = 1

TARGET_BYTES = 8 * 1024
"""Size of all annotations of a Lease, keys and values, that layers and ended pulls are left out for."""
RECENT_BYTES = 4 * 1024
"""Size of the ended pulls in it before layers of running pulls are left out."""
MIN_RECENT_BYTES = 1024
"""Size that ended pulls may have even when the running ones exceed the target."""
LIMIT_BYTES = 16 * 1024
"""Size that the annotations never exceed. Running pulls are left out for it."""
READ_BYTES = 2 * LIMIT_BYTES
"""Size that a reader accepts. No agent writes more."""
MAX_PULLS = 256
"""Running pulls that a reader accepts from one node."""
SUMMARY_PULLS = 3
MAX_ERROR = 200

Detail = Callable[[Pull], Pull]


def encode(report: NodeReport) -> dict[str, str]:
    """Return the annotations of a report, within the size limits. Totals stay exact: pulls that are left out are counted."""
    fixed = {SUMMARY: summary(report), NODE: _node(report, 0)}
    recent = [recent_to_json(pull) for pull in report.recent]
    target = TARGET_BYTES - _size(fixed)
    running: dict[str, str] = {}
    for detail in _DETAILS:
        running = {PULL_PREFIX + pull.id: _value(pull_to_json(detail(pull))) for pull in report.pulls}
        if _size(running) <= target - min(_size({RECENT: _json_list(recent)}), RECENT_BYTES):
            break
    spare = LIMIT_BYTES - _size(fixed) - 64  # 64: the count of pulls that are left out
    taken = _size(running)
    while taken > spare:
        taken -= _size(dict([running.popitem()]))
    fixed[NODE] = _node(report, len(report.pulls) - len(running))
    left = max(target - taken, min(MIN_RECENT_BYTES, spare - taken))
    while recent and _size({RECENT: _json_list(recent)}) > left:
        recent.pop()
    if recent:
        fixed[RECENT] = _json_list(recent)
    return fixed | running


def decode(annotations: Mapping[str, str]) -> NodeReport:
    """Return the report in the annotations. Never raises: `problems` lists the unusable values."""
    problems: list[str] = []
    if _size(annotations) > READ_BYTES:
        return NodeReport(problems=(f"{_size(annotations)} bytes of annotations; at most {READ_BYTES} are read",))
    pulls: list[Pull] = []
    values = [(key, value) for key, value in annotations.items() if key.startswith(PULL_PREFIX)]
    if len(values) > MAX_PULLS:
        problems.append(f"{len(values)} running pulls; {MAX_PULLS} are read")
    for key, value in values[:MAX_PULLS]:
        pull = _try_read(problems, key, lambda: pull_from_json(key.removeprefix(PULL_PREFIX), _object(value)))  # noqa: B023
        if pull is not None and pull.phase.ended:
            problems.append(f"{clean(key[:96])}: phase {pull.phase.value!r} is not one of a running pull")
        elif pull is not None:
            pulls.append(pull)
    recent: list[Pull] = []
    for entry in _try_read(problems, RECENT, lambda: _list(annotations.get(RECENT, "[]"))) or ():
        pull = _try_read(problems, RECENT, lambda: pull_from_json(entry.get("id"), entry))  # noqa: B023
        if pull is not None and pull.phase.ended and pull.ended_at is not None:
            recent.append(pull)
        elif pull is not None:
            problems.append(f"{RECENT}: pull {pull.id} has not ended")
    node = _try_read(problems, NODE, lambda: _object(annotations.get(NODE, '{"v":1}'))) or {}
    error = _try_read(problems, NODE, lambda: _text(node, "trouble"))
    return NodeReport(
        pulls=tuple(sorted(pulls, key=lambda pull: (pull.started_at, pull.id))),
        recent=tuple(sorted(recent, key=lambda pull: pull.ended_at or 0.0, reverse=True)),
        unpack_bytes_per_second=_try_read(problems, NODE, lambda: _number(node, "unpack")) or None,
        omitted_pulls=_try_read(problems, NODE, lambda: _number(node, "omitted")) or 0,
        error=clean(error)[:MAX_ERROR] if error else None,
        refused_writes=_try_read(problems, NODE, lambda: _number(node, "refused")) or 0,
        failed_polls=_try_read(problems, NODE, lambda: _number(node, "unread")) or 0,
        problems=tuple(problems),
    )


def summary(report: NodeReport) -> str:
    """Return one line for people: `2 pulling (pytorch/pytorch 61% 34 MiB/s ~40s, nginx unpacking), 1 failed`."""
    parts = []
    if report.pulls:
        shown = ", ".join(_progress(pull) for pull in report.pulls[:SUMMARY_PULLS])
        more = len(report.pulls) - SUMMARY_PULLS
        parts.append(f"{len(report.pulls)} pulling ({shown}{f', {more} more' if more > 0 else ''})")
    else:
        parts.append("idle")
    for phase in (Phase.FAILED, Phase.COMPLETED):
        if count := sum(pull.phase is phase for pull in report.recent):
            parts.append(f"{count} {phase.value}")
    line = ", ".join(parts) + (f" in the last {RECENT_SECONDS / 60:.0f} min" if len(parts) > 1 else "")
    return f"{clean(report.error)[:MAX_ERROR]}; last seen: {line}" if report.error else line


def _progress(pull: Pull) -> str:
    name = clean(short_name(min((*pull.names, *pull.repositories), key=len, default="an image")))[:128]
    if pull.phase is not Phase.DOWNLOADING or not pull.total_bytes:
        return f"{name} {pull.phase.value}"
    words = [name, f"{100 * pull.downloaded_bytes // pull.total_bytes}%", f"{human_bytes(pull.bytes_per_second)}/s"]
    if pull.time_left is not None:
        bounds = pull.time_left.bounds or (pull.time_left.likely,)
        words.append("~" + "-".join(human_seconds(bound) for bound in bounds))
    return " ".join(words)


def _in_work(pull: Pull) -> Pull:
    """Return the pull with the layers that are in work, without finished and queued ones."""
    in_work = (LayerState.DOWNLOADING, LayerState.DOWNLOADED, LayerState.UNPACKING)
    return replace(pull, layers=tuple(layer for layer in pull.layers if layer.state in in_work))


def _without_layers(pull: Pull) -> Pull:
    return replace(pull, layers=())


_DETAILS: tuple[Detail, ...] = (lambda pull: pull, _in_work, _without_layers)
"""Details of running pulls, in the order in which they are tried until the Lease has its target size."""


def _node(report: NodeReport, omitted: int) -> str:
    node: dict[str, Any] = {}
    if report.unpack_bytes_per_second:
        node["unpack"] = round(report.unpack_bytes_per_second)
    if omitted:
        node["omitted"] = omitted
    if report.error:
        node["trouble"] = clean(report.error)[:MAX_ERROR]
    if report.refused_writes:
        node["refused"] = report.refused_writes
    if report.failed_polls:
        node["unread"] = report.failed_polls
    return _value(node)


def _value(content: dict[str, Any]) -> str:
    return orjson.dumps({"v": VERSION, **content}).decode()


def _json_list(values: Sequence[dict[str, Any]]) -> str:
    return orjson.dumps([{"v": VERSION, **value} for value in values]).decode()


def _size(annotations: Mapping[str, str]) -> int:
    return sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())


def _try_read(problems: list[str], key: str, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except InvalidValue as problem:
        problems.append(f"{clean(key[:96])}: {problem}")
        return None


def _number(node: dict[str, Any], key: str) -> int:
    number = node.get(key, 0)
    if type(number) is not int or not 0 <= number < MAX_BYTES:
        raise InvalidValue(f"{key} {shown(number)} is not a whole number from 0 to 2^53")
    return number


def _text(node: dict[str, Any], key: str) -> str:
    text = node.get(key, "")
    if not isinstance(text, str):
        raise InvalidValue(f"{key} is not a text")
    return text


def _object(text: str) -> dict[str, Any]:
    value = _parsed(text)
    if not isinstance(value, dict):
        raise InvalidValue("not a JSON object")
    if value.get("v") != VERSION:
        raise InvalidValue(f"format version {shown(value.get('v'))}; this reader knows {VERSION}")
    return value


def _list(text: str) -> list[dict[str, Any]]:
    value = _parsed(text)
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise InvalidValue("not a JSON list of objects")
    return [entry for entry in value[:MAX_PULLS] if entry.get("v") == VERSION]


def _parsed(text: str) -> Any:
    if len(text) > LIMIT_BYTES:
        raise InvalidValue(f"{len(text)} characters; at most {LIMIT_BYTES} are read")
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidValue(f"not JSON: {error}") from None
