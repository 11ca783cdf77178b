"""Both kinds of connection, and credentials that have been revoked."""

from __future__ import annotations

from typing import TypeAlias

from pulltrace.kube.client.aiohttp_client import Connection
from pulltrace.kube.client.credentials import Access
from pulltrace.kube.client.h11_client import SmallConnection

Connecting: TypeAlias = type[Connection] | type[SmallConnection]
"""How to make one of the connections that keep the contract `Requesting`."""


class Rotating:
    """A source whose first token has been revoked."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.token = "old"

    async def access(self, *, refused: bool = False) -> Access:
        if refused:
            self.token = "new"
        return Access(self.url, f"Bearer {self.token}")
