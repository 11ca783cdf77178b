"""`.ci/run` repeats failed tests once, and lists at its end those that passed only then."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.repository.files import ROOT

LOST = "the tier has failed"
MAKE = """#!/bin/bash
if [[ -e $PLAN/tried ]]; then run=second; else run=first; fi
touch "$PLAN/tried"
cache=.tox/e2e/.pytest_cache/v/cache
mkdir -p $cache
cat "$PLAN/$run.json" >$cache/lastfailed 2>/dev/null
[[ $(cat "$PLAN/$run.json") == "{}" ]]
"""
"""Stands for `make test-e2e`: each run leaves pytest's record of its failures."""


def run(folder: Path, first: Sequence[str], second: Sequence[str]) -> str:
    """Return the output of `.ci/run` for a tier with these failures in the first run and in the second."""
    for name, failed in (("first", first), ("second", second)):
        (folder / f"{name}.json").write_text(json.dumps(dict.fromkeys(failed, True), indent=2), encoding="utf-8")
    (folder / "make").write_text(MAKE, encoding="utf-8")
    (folder / "make").chmod(0o755)
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    functions = script[script.index("times=()") : script.index("install_packages() {")]
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f'{functions}\ntier 1m "whole cluster" e2e || echo "{LOST}"'],
        cwd=folder,
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "PLAN": str(folder)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return ended.stdout


def listed(output: str) -> list[str]:
    """Return the lines below the last heading."""
    heading, *names = output.rpartition("=== passed only at the second try: ")[2].splitlines()
    assert heading == f"{len(names) or 'none'} ==="
    return names


A, B = "tests/e2e/test_a.py::test_a[SIGTERM]", "tests/e2e/test_b.py::test_b"


@pytest.mark.parametrize(
    ("first", "second", "names", "outcome"),
    [
        ([], [], [], ""),
        ([A], [], [A], ""),
        ([A, B], [], [A, B], ""),
        ([A, B], [A], [B], LOST),
        ([A], [A], [], LOST),
        ([f"{A}{number}" for number in range(6)], [], [], LOST),
    ],
    ids=["none", "one", "two", "one of two", "twice", "too many"],
)
def test_what_passed_at_the_second_try_is_listed(
    tmp_path: Path, first: list[str], second: list[str], names: list[str], outcome: str
) -> None:
    """The list is at the very end; tests that failed twice, or were not repeated, are not in it."""
    output = run(tmp_path, first, second)

    assert listed(output) == names
    assert (LOST in output) == bool(outcome)
