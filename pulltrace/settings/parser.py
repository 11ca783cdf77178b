"""One declaration for each setting: the field that a loop reads is also flag, variable, default, help and chart value.

A flag wins over an environment variable, and a variable over the default. A wrong value ends the program before it starts,
with one line that names the setting, the value and the allowed values.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any, NoReturn, TypeVar

from pulltrace.errors import UserError

Value = TypeVar("Value")
Settings = TypeVar("Settings")

MAX_MESSAGE_CHARACTERS = 300
MAX_VALUE_CHARACTERS = 100


class SettingsError(UserError):
    """A setting has a value that the program cannot use."""


@dataclass(frozen=True, slots=True)
class Flag:
    """The declaration of a setting, in the metadata of its field."""

    name: str
    """With its dashes."""
    default: str
    """As a user would write it; "" where the program works without a value."""
    parse: Callable[[str], Any]
    """Return the value of a text; raises ValueError."""
    help: str
    allowed: str
    """The allowed values, in words."""
    chart_value: str = ""
    """The path in the chart's values.yaml; "" where the chart sets the flag itself or leaves it alone."""

    @property
    def variable(self) -> str:
        """The environment variable."""
        return "PULLTRACE_" + self.name.removeprefix("--").replace("-", "_").upper()


def flag(
    name: str,
    *,
    default: str,
    parse: Callable[[str], Value],
    help: str,  # noqa: A002
    allowed: str,
    chart_value: str = "",
) -> Value:
    """Declare a field of a settings class that users can set."""
    declared = Flag(name, default, parse, help, allowed, chart_value)
    return field(default_factory=partial(parse, default), metadata={"flag": declared})


def flags_of(kind: type[Any]) -> dict[str, Flag]:
    """Return the flags of a settings class by field: in the order of `kind.FLAGS`, or else its own before inherited ones."""
    own_first = sorted(fields(kind), key=lambda each: each.name not in kind.__annotations__)
    declared = {each.name: each.metadata["flag"] for each in own_first if "flag" in each.metadata}
    order: Sequence[str] | None = getattr(kind, "FLAGS", None)
    if order is None:
        return declared
    by_flag = {each.name: field_name for field_name, each in declared.items()}
    return {by_flag[name]: declared[by_flag[name]] for name in order}


def purpose(kind: type[Any]) -> str:
    """Return what a program does: the docstring of its settings, without the program's name."""
    return (kind.__doc__ or "").partition(": ")[2]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise SettingsError(_printable(message))


def parser(kind: type[Any], prog: str) -> argparse.ArgumentParser:
    """Return the parser of a program's flags; its help names each flag's variable and default."""
    made = _Parser(prog=prog, description=purpose(kind), allow_abbrev=False)
    for each in flags_of(kind).values():
        default = f"; default: {each.default}" if each.default else ""
        made.add_argument(each.name, metavar="VALUE", help=f"{each.help} (${each.variable}{default})")
    return made


def read(kind: type[Settings], arguments: Sequence[str], environ: Mapping[str, str], prog: str) -> Settings:
    """Return the settings of flags and environment variables; raises `SettingsError`."""
    given = vars(parser(kind, prog).parse_args(arguments))
    values = {}
    for field_name, each in flags_of(kind).items():
        source, text = each.name, given[each.name.removeprefix("--").replace("-", "_")]
        if text is None and environ.get(each.variable):
            source, text = each.variable, environ[each.variable]
        if text is None:
            text = each.default
        try:
            values[field_name] = each.parse(text)
        except ValueError:
            raise SettingsError(f"{source}: {_quoted(text)} is not allowed; it takes {each.allowed}") from None
    return kind(**values)


def _quoted(text: str) -> str:
    return _cut(repr(text), MAX_VALUE_CHARACTERS)


def _printable(message: str) -> str:
    """Return the message as one short line: argparse repeats arguments as they are."""
    line = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in message[: MAX_MESSAGE_CHARACTERS + 1])
    return _cut(line, MAX_MESSAGE_CHARACTERS)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}…"
