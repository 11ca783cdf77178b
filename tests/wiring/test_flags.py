"""Every flag of every program reaches its purpose."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from pulltrace.cli import PROGRAMS
from pulltrace.settings.parser import flags_of
from tests.wiring.cases import CASES
from tests.wiring.scene import scene

DECLARED = [(program, flag.name) for program, (kind, _) in PROGRAMS.items() for flag in flags_of(kind).values()]


@pytest.fixture(autouse=True)
def root_logger() -> Iterator[None]:
    """Keep the test run's own logging."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_every_flag_has_a_case() -> None:
    """A new flag needs a case in `cases`; a case without a flag is old."""
    assert CASES.keys() ^ set(DECLARED) == set()


@pytest.mark.parametrize(("program", "flag"), DECLARED)
async def test_flag_reaches_its_purpose(
    program: str,
    flag: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The program runs with the flag, and systems around it show the effect."""
    async with scene(program, tmp_path, monkeypatch, capsys) as around:
        await CASES[program, flag](around)
