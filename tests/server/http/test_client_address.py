"""Whose streams are counted together."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from pulltrace.server.http.client_address import client_address

PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("client", "forwarded", "expected"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.7"], "192.0.2.1"),
        ("10.1.2.3", [], "10.1.2.3"),
        ("10.1.2.3", ["198.51.100.7"], "198.51.100.7"),
        ("10.1.2.3", ["6.6.6.6, 198.51.100.7"], "198.51.100.7"),
        ("10.1.2.3", ["6.6.6.6, 198.51.100.7, 10.9.9.9"], "198.51.100.7"),
        ("10.1.2.3", ["6.6.6.6", "198.51.100.7"], "198.51.100.7"),
        ("10.1.2.3", ["junk"], "10.1.2.3"),
        ("10.1.2.3", [""], "10.1.2.3"),
        ("::ffff:10.1.2.3", ["198.51.100.7"], "198.51.100.7"),
        ("2001:db8:1:2:3::4", [], "2001:db8:1:2::/64"),
        ("fd00::1", ["2001:db8:1:2:ffff::4"], "2001:db8:1:2::/64"),
    ],
)
def test_address(client: str, forwarded: list[str], expected: str) -> None:
    """Only proxies that we know are believed, and they only what they say of their own peers."""
    headers = [(b"x-forwarded-for", each.encode()) for each in forwarded]

    assert expected == client_address({"client": (client, 1234), "headers": headers}, PROXIES)


@pytest.mark.parametrize("scope", [{}, {"client": None}, {"client": ("a name", 1)}])
def test_unknown_address(scope: dict[str, Any]) -> None:
    """A peer without an address is one that is not bounded."""
    assert client_address(scope, PROXIES) == ""
