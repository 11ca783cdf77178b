"""The client's address, for limits that hold for each address. Pure.

A client can write anything into `X-Forwarded-For`, so only entries of trusted proxies count. The header is read from its end: entries
before the last address outside the trusted networks are the client's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from pulltrace.server.http.asgi import Scope

Network: TypeAlias = IPv4Network | IPv6Network

_IPV6_PREFIX = 64
"""One customer has at least this much of the IPv6 addresses; the network counts as one address."""


def client_address(scope: Scope, proxies: Sequence[Network] = ()) -> str:
    """Return the address of the client (for IPv6 its network); `""` when it is unknown. `proxies` are trusted."""
    client = scope.get("client")
    address = None if client is None else _parse(client[0])
    if address is None:
        return ""
    forwarded = b",".join(value for name, value in scope.get("headers", ()) if name == b"x-forwarded-for")
    for text in reversed(forwarded.decode("latin-1").split(",")):
        if not any(address in network for network in proxies):
            break
        before = _parse(text.strip())
        if before is None:
            break
        address = before
    if isinstance(address, IPv4Address):
        return str(address)
    return str(ip_network((int(address), _IPV6_PREFIX), strict=False))


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    # A dual-stack socket shows IPv4 addresses as ::ffff:192.0.2.1.
    return getattr(address, "ipv4_mapped", None) or address
