"""Writes the table of docs/metrics.md from the registry; with --check only says whether it is up to date."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from pulltrace.aggregator.metrics import sample_registry

DOCUMENT = Path(__file__).parent.parent / "docs" / "metrics.md"
BEGIN, END = "<!-- table: made by .ci/metrics_table.py -->\n", "<!-- end of the table -->\n"


def rows() -> Iterator[str]:
    """One line for each family."""
    yield "| metric | type | labels | what it says |"
    yield "| --- | --- | --- | --- |"
    for family in sorted(sample_registry().collect(), key=lambda one: one.name):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
        yield f"| `{name}` | {family.type} | {', '.join(f'`{label}`' for label in labels)} | {family.documentation} |"


def main() -> None:
    text = DOCUMENT.read_text()
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        sys.exit(f"{DOCUMENT.name} has lost the marks of its table")
    wanted = f"{head}{BEGIN}\n{chr(10).join(rows())}\n\n{END}{tail}"
    if text == wanted:
        return
    if "--check" in sys.argv[1:]:
        sys.exit("docs/metrics.md is not what the code exports: run `python .ci/metrics_table.py`")
    DOCUMENT.write_text(wanted)
    print("written: docs/metrics.md")


if __name__ == "__main__":
    main()
