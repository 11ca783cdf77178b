"""Write docs/events.schema.json; with --check only compare it; with --openapi print the OpenAPI document instead."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from pulltrace.server.api.openapi import events_schema, openapi

TARGET = Path(__file__).parent.parent / "docs" / "events.schema.json"


def main() -> None:
    if "--openapi" in sys.argv[1:]:
        print(as_text(openapi()), end="")
        return
    text = as_text(events_schema())
    if TARGET.exists() and TARGET.read_text() == text:
        return
    if "--check" in sys.argv[1:]:
        sys.exit(f"docs/{TARGET.name} is not what pulltrace/server/json/schemas.py gives: run `python .ci/schemas.py`")
    TARGET.write_text(text)
    print(f"written: docs/{TARGET.name}")


def as_text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    main()
