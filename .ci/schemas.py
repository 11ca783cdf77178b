"""Write docs/events.schema.json and web/openapi.json; with --check only compare them; with --openapi print the OpenAPI document.

`npm run types` in web/ makes the page's types from web/openapi.json.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from pulltrace.server.api.openapi import events_schema, openapi

ROOT = Path(__file__).parent.parent


def main() -> None:
    if "--openapi" in sys.argv[1:]:
        print(as_text(openapi()), end="")
        return
    for name, text in targets().items():
        path = ROOT / name
        if path.exists() and path.read_text() == text:
            continue
        if "--check" in sys.argv[1:]:
            sys.exit(f"{name} is not what pulltrace/server/json/schemas.py gives: run `python .ci/schemas.py`")
        path.write_text(text)
        print(f"written: {name}")


def targets() -> dict[str, str]:
    """Return the text of each file by its path."""
    return {"docs/events.schema.json": as_text(events_schema()), "web/openapi.json": rows_only(openapi())}


def rows_only(document: dict[str, Any]) -> str:
    """Return the OpenAPI document without paths and Pulltrace's version, one line for each schema."""
    info = {"title": document["info"]["title"], "version": "v1"}
    head = {"openapi": document["openapi"], "info": info, "paths": {}}
    schemas = ",\n".join(f'"{name}": {json.dumps(each)}' for name, each in document["components"]["schemas"].items())
    return f'{json.dumps(head)[:-1]}, "components": {{"schemas": {{\n{schemas}\n}}}}}}\n'


def as_text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    main()
