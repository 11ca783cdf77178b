"""docs/settings.md: the flags and variables of each program, from pulltrace/settings.py."""

from __future__ import annotations

import socket
from dataclasses import fields
from typing import Any

from pulltrace import settings
from tools.docs.tables import GENERATED, code, table

PROGRAMS = (settings.Agent, settings.Aggregator, settings.Standalone, settings.Demo)
HEAD = """\
# Settings

Each program reads flags and environment variables; a flag wins. A wrong value is refused in one line before anything starts. In a cluster the
[chart's values](values.md) set them. `pulltrace PROGRAM --help` says the same as this page.
"""


def page() -> str:
    """The whole page."""
    return GENERATED + HEAD + "".join(map(section, PROGRAMS))


def section(kind: type[Any]) -> str:
    """The settings of one program."""
    name, _, purpose = (kind.__doc__ or "").partition(": ")
    rows = []
    for one in fields(kind):
        spec = one.metadata["spec"]
        default = "the machine's name" if spec.default == socket.gethostname().lower() else code(spec.default or "")
        rows.append((code(spec.flag), code(spec.variable or ""), default, spec.help, spec.allowed))
    what = " ".join(purpose.split())
    head = f"\n## {name}\n\n{what[:1].upper()}{what[1:]}\n\n"
    return head + table(("flag", "variable", "default", "meaning", "form"), rows)
