"""docs/metrics.md has the families that the code exports."""

from __future__ import annotations

import subprocess
import sys

from tests.repository.files import ROOT


def test_the_table_is_up_to_date() -> None:
    """Whoever changes a family writes the table anew, by the program that says so."""
    command = [sys.executable, ".ci/metrics_table.py", "--check"]
    told = subprocess.run(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False)

    assert (told.returncode, told.stderr) == (0, "")
