"""docs/settings.md: the flags and variables of each program, from pulltrace/settings."""

from __future__ import annotations

import socket
from typing import Any

from pulltrace.cli import PROGRAMS
from pulltrace.settings.parser import flags_of, purpose
from tools.docs.tables import GENERATED, code, table

HEAD = """\
# Settings

Each program reads flags and environment variables; a flag wins. A wrong value ends the program with
one line before it starts. In a cluster, the [chart's values](values.md) set the variables.
"""


def page() -> str:
    """Return the whole page."""
    return GENERATED + HEAD + "".join(section(program, kind) for program, (kind, _) in PROGRAMS.items())


def section(program: str, kind: type[Any]) -> str:
    """Return the settings of one program."""
    in_chart = program in ("agent", "aggregator")
    head = ("flag", "variable", "default", "meaning", "allowed", *(("chart value",) if in_chart else ()))
    rows = []
    for one in flags_of(kind).values():
        default = "the machine's name" if one.default == socket.gethostname().lower() else code(one.default)
        chart_value = (code(one.chart_value),) if in_chart else ()
        rows.append((code(one.name), code(one.variable), default, one.help, one.allowed, *chart_value))
    what = purpose(kind)
    return f"\n## `pulltrace {program}`\n\n{what[:1].upper()}{what[1:]}\n\n" + table(head, rows)
