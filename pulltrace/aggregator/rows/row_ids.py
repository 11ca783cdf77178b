"""Ids of rows: opaque, the same in all replicas and after restarts. Pure.

The API finds a row by its id alone, and agents choose the ids in their Leases. The node's name is part of the hash, so
a node cannot give a row the id of another node's row.
"""

from __future__ import annotations

import hashlib


def row_id(node: str, key: str) -> str:
    """Return 12 hex digits. `key`: the agent's id of the pull; for a row from pods alone, the image's name."""
    return hashlib.blake2s(f"{node}/{key}".encode(), digest_size=6).hexdigest()
