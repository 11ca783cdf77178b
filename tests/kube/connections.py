"""Both clients, and credentials that have been revoked."""

from __future__ import annotations

from typing import TypeAlias

from pulltrace.kube.client.aiohttp_client import AiohttpClient
from pulltrace.kube.client.credentials import RestConfig
from pulltrace.kube.client.h11_client import H11Client

Connecting: TypeAlias = type[AiohttpClient] | type[H11Client]
"""One of the clients that keep the contract `ApiClient`."""


class Rotating:
    """A source whose first token has been revoked."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.token = "old"

    async def config(self, *, unauthorized: bool = False) -> RestConfig:
        if unauthorized:
            self.token = "new"
        return RestConfig(self.url, f"Bearer {self.token}")
