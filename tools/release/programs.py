"""Other programs that a release runs: found on the PATH, and ended when they take too long."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

STEP_SECONDS = 300
"""Longer than any step takes; pushing an image's bill of materials took 3 s."""


class StepFailed(SystemExit):
    """A program ended badly; the message has what it printed."""


def run(*command: str | Path, folder: Path | None = None, stdin: str | None = None) -> str:
    """Run a program and return its output; raises StepFailed."""
    print("+", *command, file=sys.stderr, flush=True)
    result = subprocess.run(
        command, cwd=folder, input=stdin, capture_output=True, text=True, timeout=STEP_SECONDS, check=False
    )
    if result.returncode:
        raise StepFailed(f"{command[0]} ended with {result.returncode}:\n{result.stdout}{result.stderr}")
    return result.stdout + result.stderr if command[0] == "helm" else result.stdout
