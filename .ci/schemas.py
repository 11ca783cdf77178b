"""Write docs/events.schema.json; with --check, only report whether it is outdated."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from pulltrace.server.api.openapi import events_schema

TARGET = Path(__file__).parent.parent / "docs" / "events.schema.json"


def main() -> None:
    wanted = json.dumps(events_schema(), indent=1, ensure_ascii=False) + "\n"
    if TARGET.exists() and TARGET.read_text() == wanted:
        return
    if "--check" in sys.argv[1:]:
        sys.exit(f"docs/{TARGET.name} is not what pulltrace/server/json/schemas.py gives: run `python .ci/schemas.py`")
    TARGET.write_text(wanted)
    print(f"written: docs/{TARGET.name}")


if __name__ == "__main__":
    main()
