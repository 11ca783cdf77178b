"""docs/values.md: the chart's values with their defaults and the comments of values.yaml."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml  # type: ignore[import-untyped]

from tools.docs.tables import DOCS, GENERATED, code, table

VALUES = DOCS.parent / "deploy/helm/pulltrace/values.yaml"
HEAD = """\
# Values of the chart

Set a value with `--set NAME=VALUE`, or several in a file with `--values FILE`. The chart refuses
unknown values.
"""


@dataclass(frozen=True)
class Value:
    """One line of the page."""

    name: str
    """With dots: `agent.image.tag`."""
    default: str
    comment: str


def page() -> str:
    """Return the whole page."""
    text = VALUES.read_text()
    sections = re.split(r"^# -- (.+?) -+$", text, flags=re.MULTILINE)[1:]
    parts = [
        f"\n## {title}\n\n" + table(("value", "default", ""), rows(block, yaml.safe_load(text)))
        for title, block in zip(sections[::2], sections[1::2], strict=True)
    ]
    return GENERATED + HEAD + "".join(parts)


def rows(block: str, defaults: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for value in read(block, defaults):
        yield code(value.name), code(value.default), value.comment


def read(block: str, defaults: dict[str, Any]) -> Iterator[Value]:
    """Yield the values of a part of values.yaml in its order, with the comments before each.

    An object with values below it is left out, unless it has a comment of its own.
    """
    path: list[str] = []
    comment: list[str] = []
    skip_below: int | None = None
    for line in block.splitlines():
        found = re.match(r"( *)([A-Za-z]\w*):", line)
        remark = re.match(r" *# ?(.*)", line)
        depth = (len(line) - len(line.lstrip())) // 2
        if remark and (skip_below is None or depth <= skip_below):
            comment.append(remark[1])
        elif not line.strip():
            comment = []
        elif found and (skip_below is None or depth <= skip_below):
            path = [*path[:depth], found[2]]
            default: Any = defaults
            for name in path:
                default = default[name]
            inner = isinstance(default, dict) and bool(default) and not is_example(path)
            skip_below = None if inner else depth
            if comment or not inner:
                yield Value(".".join(path), "" if inner else json.dumps(default), prose(comment))
            comment = []


def is_example(path: list[str]) -> bool:
    """Return whether Kubernetes takes the value as a whole: users set no part of it alone."""
    return path[-1] in {"nodeSelector", "labels", "updateStrategy", "requests", "limits"}


def prose(comment: list[str]) -> str:
    """Return comment lines as one cell; an indented list becomes code, one entry after the other."""
    parts = []
    for line in comment:
        entry = re.match(r" {2,}(\S+(?:, \S+)*) {2,}(.+)", line)
        parts.append(f"`{entry[1]}`: {entry[2]};" if entry else line)
    return " ".join(parts).replace("<", "&lt;")
