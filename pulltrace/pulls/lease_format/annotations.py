"""The Lease contract: a node's report as annotations of its Lease, and back. See docs/lease-format.md.

    pulltrace.io/summary      one line for people
    pull.pulltrace.io/<id>    a running pull, so that a patch carries only the pulls that changed
    pulltrace.io/recent       the ended pulls, newest first
    pulltrace.io/node         what was learned of the node, and how many pulls found no room

Every JSON value carries its format version as `v`. A reader ignores keys that it does not know and
reports, but survives, whatever it cannot use: a Lease may have been written by another version, or by
somebody else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from pulltrace.pulls.formatting import human_bytes, human_seconds
from pulltrace.pulls.lease_format.values import (
    MAX_BYTES,
    Invalid,
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

USUAL_BYTES = 8 * 1024
"""What all annotations of a Lease take at most, as a rule: keys and values together."""
RECENT_BYTES = 4 * 1024
"""What ended pulls may take of it before layers of running pulls have to give way."""
LEAST_RECENT_BYTES = 1024
"""What ended pulls may take even when the running ones take more than usual."""
HARD_BYTES = 16 * 1024
"""What they never exceed, whatever the node does."""
READ_BYTES = 2 * HARD_BYTES
"""What a reader takes of one Lease. More was not written by an agent, and costs time to look at."""
MAX_PULLS = 256
"""How many running pulls a reader takes from one node."""
SUMMARY_PULLS = 3
MAX_TROUBLE = 200

Detail = Callable[[Pull], Pull]


def encode(report: NodeReport) -> dict[str, str]:
    """The annotations for a report, within the budgets. Totals stay exact: what is left out is counted."""
    fixed = {SUMMARY: summary(report), NODE: _node(report, 0)}
    recent = [recent_to_json(pull) for pull in report.recent]
    usual = USUAL_BYTES - _size(fixed)
    running: dict[str, str] = {}
    for detail in _DETAILS:
        running = {PULL_PREFIX + pull.id: _value(pull_to_json(detail(pull))) for pull in report.pulls}
        if _size(running) <= usual - min(_size({RECENT: _json_list(recent)}), RECENT_BYTES):
            break
    spare = HARD_BYTES - _size(fixed) - 64  # room for the count of what is left out
    taken = _size(running)
    while taken > spare:
        taken -= _size(dict([running.popitem()]))
    fixed[NODE] = _node(report, len(report.pulls) - len(running))
    left = max(usual - taken, min(LEAST_RECENT_BYTES, spare - taken))
    while recent and _size({RECENT: _json_list(recent)}) > left:
        recent.pop()
    if recent:
        fixed[RECENT] = _json_list(recent)
    return fixed | running


def decode(annotations: Mapping[str, str]) -> NodeReport:
    """The report that annotations hold. Never raises: `problems` names what could not be used."""
    problems: list[str] = []
    if _size(annotations) > READ_BYTES:
        return NodeReport(problems=(f"{_size(annotations)} bytes of annotations; at most {READ_BYTES} are read",))
    pulls: list[Pull] = []
    values = [(key, value) for key, value in annotations.items() if key.startswith(PULL_PREFIX)]
    if len(values) > MAX_PULLS:
        problems.append(f"{len(values)} running pulls; {MAX_PULLS} are read")
    for key, value in values[:MAX_PULLS]:
        pull = _attempt(problems, key, lambda: pull_from_json(key.removeprefix(PULL_PREFIX), _object(value)))  # noqa: B023
        if pull is not None and pull.phase.ended:
            problems.append(f"{clean(key[:96])}: phase {pull.phase.value!r} is not one of a running pull")
        elif pull is not None:
            pulls.append(pull)
    recent: list[Pull] = []
    for entry in _attempt(problems, RECENT, lambda: _list(annotations.get(RECENT, "[]"))) or ():
        pull = _attempt(problems, RECENT, lambda: pull_from_json(entry.get("id"), entry))  # noqa: B023
        if pull is not None and pull.phase.ended and pull.ended_at is not None:
            recent.append(pull)
        elif pull is not None:
            problems.append(f"{RECENT}: pull {pull.id} has not ended")
    node = _attempt(problems, NODE, lambda: _object(annotations.get(NODE, '{"v":1}'))) or {}
    trouble = _attempt(problems, NODE, lambda: _text(node, "trouble"))
    return NodeReport(
        pulls=tuple(sorted(pulls, key=lambda pull: (pull.started_at, pull.id))),
        recent=tuple(sorted(recent, key=lambda pull: pull.ended_at or 0.0, reverse=True)),
        unpack_bytes_per_second=_attempt(problems, NODE, lambda: _number(node, "unpack")) or None,
        omitted_pulls=_attempt(problems, NODE, lambda: _number(node, "omitted")) or 0,
        trouble=clean(trouble)[:MAX_TROUBLE] if trouble else None,
        refused_writes=_attempt(problems, NODE, lambda: _number(node, "refused")) or 0,
        failed_looks=_attempt(problems, NODE, lambda: _number(node, "unread")) or 0,
        problems=tuple(problems),
    )


def summary(report: NodeReport) -> str:
    """One line for people: `2 pulling (pytorch/pytorch 61% 34 MiB/s ~40s, nginx unpacking), 1 failed`."""
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
    return f"{clean(report.trouble)[:MAX_TROUBLE]}; last seen: {line}" if report.trouble else line


def _progress(pull: Pull) -> str:
    name = clean(short_name(min((*pull.names, *pull.repositories), key=len, default="an image")))[:128]
    if pull.phase is not Phase.DOWNLOADING or not pull.total_bytes:
        return f"{name} {pull.phase.value}"
    words = [name, f"{100 * pull.downloaded_bytes // pull.total_bytes}%", f"{human_bytes(pull.bytes_per_second)}/s"]
    if pull.seconds_left is not None:
        bounds = pull.seconds_left_range or (pull.seconds_left,)
        words.append("~" + "-".join(human_seconds(bound) for bound in bounds))
    return " ".join(words)


def _unfinished(pull: Pull) -> Pull:
    """Without the layers that need no more work, and without those that have not begun."""
    moving = (LayerState.DOWNLOADING, LayerState.DOWNLOADED, LayerState.UNPACKING)
    return replace(pull, layers=tuple(layer for layer in pull.layers if layer.state in moving))


def _bare(pull: Pull) -> Pull:
    return replace(pull, layers=())


_DETAILS: tuple[Detail, ...] = (lambda pull: pull, _unfinished, _bare)
"""What gives way first when a Lease grows too large: layer detail, then layers."""


def _node(report: NodeReport, omitted: int) -> str:
    node: dict[str, Any] = {}
    if report.unpack_bytes_per_second:
        node["unpack"] = round(report.unpack_bytes_per_second)
    if omitted:
        node["omitted"] = omitted
    if report.trouble:
        node["trouble"] = clean(report.trouble)[:MAX_TROUBLE]
    if report.refused_writes:
        node["refused"] = report.refused_writes
    if report.failed_looks:
        node["unread"] = report.failed_looks
    return _value(node)


def _value(content: dict[str, Any]) -> str:
    return orjson.dumps({"v": VERSION, **content}).decode()


def _json_list(values: Sequence[dict[str, Any]]) -> str:
    return orjson.dumps([{"v": VERSION, **value} for value in values]).decode()


def _size(annotations: Mapping[str, str]) -> int:
    return sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())


def _attempt(problems: list[str], key: str, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except Invalid as problem:
        problems.append(f"{clean(key[:96])}: {problem}")
        return None


def _number(node: dict[str, Any], key: str) -> int:
    number = node.get(key, 0)
    if type(number) is not int or not 0 <= number < MAX_BYTES:
        raise Invalid(f"{key} {shown(number)} is not a whole number from 0 to 2^53")
    return number


def _text(node: dict[str, Any], key: str) -> str:
    text = node.get(key, "")
    if not isinstance(text, str):
        raise Invalid(f"{key} is not a text")
    return text


def _object(text: str) -> dict[str, Any]:
    value = _parsed(text)
    if not isinstance(value, dict):
        raise Invalid("not a JSON object")
    if value.get("v") != VERSION:
        raise Invalid(f"format version {shown(value.get('v'))}; this reader knows {VERSION}")
    return value


def _list(text: str) -> list[dict[str, Any]]:
    value = _parsed(text)
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise Invalid("not a JSON list of objects")
    return [entry for entry in value[:MAX_PULLS] if entry.get("v") == VERSION]


def _parsed(text: str) -> Any:
    if len(text) > HARD_BYTES:
        raise Invalid(f"{len(text)} characters; at most {HARD_BYTES} are read")
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Invalid(f"not JSON: {error}") from None
