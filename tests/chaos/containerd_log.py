"""The pulls that a containerd was asked for, read from its log: the truth about a run. Pure.

Versions 1.6 and 2.1 log the same three lines: the kubelet's request, the answer and the failure. A killed daemon logs
nothing; its successor logs its start.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from tests.chaos.evidence import Outcome, TruePull

LINE = re.compile(r'^time="(?P<at>[^"]+)" level=\w+ msg="(?P<text>(?:[^"\\]|\\.)*)"')
PULL = re.compile(r'^PullImage \\"(?P<image>[^"\\]+)\\"(?P<rest>.*)$')
RECORD = re.compile(r"^Image(?:Create|Update) event .*?[Nn]ame:(?:\\\")?(?P<image>[^,\"\\ ]+)")
STARTS = "starting containerd"


def read(lines: Iterable[str], node: str) -> tuple[TruePull, ...]:
    """Return all pulls in the order of their requests."""
    found: list[TruePull] = []
    last_at = 0.0
    for line in lines:
        matched = LINE.match(line)
        if matched is None:
            continue
        at, text = _seconds(matched["at"]), matched["text"]
        if text == STARTS:
            found = [_ended(pull, last_at, "killed") if pull.ended is None else pull for pull in found]
        elif pulled := PULL.match(text):
            _take(found, node, pulled["image"], pulled["rest"], at)
        elif recorded := RECORD.match(text):
            for index, pull in enumerate(found):
                if pull.ended is None and pull.image == recorded["image"]:
                    found[index] = replace(pull, recorded=True)
        last_at = at
    return tuple(found)


def _take(found: list[TruePull], node: str, image: str, rest: str, at: float) -> None:
    if not rest:
        found.append(TruePull(node, image, at))
        return
    outcome: Outcome = "failed" if rest.startswith(" failed") else "completed"
    # the older of two pulls of an image ends first: a kubelet asks again once it has given up
    index = next((i for i, pull in enumerate(found) if pull.ended is None and pull.image == image), None)
    if index is not None:
        found[index] = _ended(found[index], at, outcome)


def _ended(pull: TruePull, at: float, outcome: Outcome) -> TruePull:
    return replace(pull, ended=max(at, pull.began), outcome=outcome, recorded=pull.recorded or outcome == "completed")


def _seconds(text: str) -> float:
    """Return Unix seconds.

    NOTE: the time has nine digits of a second. `fromisoformat` cuts them to six, and not every Python accepts them.
    """
    whole, _, fraction = text.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{fraction or 0}")
