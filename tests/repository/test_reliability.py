"""docs/reliability.md: every fault has its row, and every row an existing scenario."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.repository.files import ROOT

PAGE = ROOT / "docs" / "reliability.md"
FAULTS = [f"D{number}" for number in range(1, 29)]


def rows() -> dict[str, list[tuple[Path, str]]]:
    """Return each fault, and the scenarios that its row names."""
    found: dict[str, list[tuple[Path, str]]] = {}
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| D"):
            assert cells[0] not in found, f"{cells[0]} is there twice"
            found[cells[0]] = [(ROOT / path, name) for path, name in re.findall(r"`([\w/.]+)::(\w+)`", cells[-1])]
    return found


def functions(path: Path) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}  # fmt: skip


def test_every_fault_has_a_row_with_scenarios() -> None:
    """D1 to D28, in order, each once, each with at least one test that exists."""
    table = rows()

    assert list(table) == FAULTS
    assert all(table.values())
    missing = [f"{path}::{name}" for tests in table.values() for path, name in tests if name not in functions(path)]
    assert missing == []


def test_every_scenario_is_in_its_row() -> None:
    """A test in tests/faults is named after its fault, and the row of that fault names it."""
    table = rows()
    for path in (ROOT / "tests" / "faults").glob("test_*.py"):
        for name in sorted(functions(path)):
            if number := re.match(r"test_d(\d\d)_", name):
                assert name == "test_d21_leases_of_the_version_before" or (path, name) in table[f"D{int(number[1])}"], (
                    name
                )
            else:
                assert not name.startswith("test_"), f"{name} does not say which fault it is about"
