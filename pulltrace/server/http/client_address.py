"""Who a request comes from, for bounds that hold for each address. Pure.

`X-Forwarded-For` is what the client says unless a proxy of our own wrote it, so it is believed only from the networks
that are named as proxies, and read from its end: what stands before the last address that is no proxy is hearsay.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from pulltrace.server.http.asgi import Scope

Network: TypeAlias = IPv4Network | IPv6Network

_IPV6_PREFIX = 64
"""One customer has at least so much of the IPv6 addresses: it counts as one address."""


def peer_of(scope: Scope, proxies: Sequence[Network] = ()) -> str:
    """The address of the client, of IPv6 the network; `""` when it is not known."""
    client = scope.get("client")
    address = None if client is None else _read(client[0])
    if address is None:
        return ""
    forwarded = b",".join(value for name, value in scope.get("headers", ()) if name == b"x-forwarded-for")
    for text in reversed(forwarded.decode("latin-1").split(",")):
        if not any(address in network for network in proxies):
            break
        before = _read(text.strip())
        if before is None:
            break
        address = before
    return _counted(address)


def _read(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    # A socket for both kinds shows IPv4 addresses as ::ffff:192.0.2.1.
    return getattr(address, "ipv4_mapped", None) or address


def _counted(address: IPv4Address | IPv6Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return str(ip_network((int(address), _IPV6_PREFIX), strict=False))
