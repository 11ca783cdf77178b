"""The names under which this server answers. Pure.

A site can point its own name at the address of this server and so read it with a visitor's browser (DNS rebinding). The browser
then sends that name as `Host`, so the server refuses names that it was not given. Safe without a setting are addresses, which no site
can rebind, names that public DNS lacks (one label, `localhost`, Services of the cluster), and the machine's own name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address

ANY = "*"
_CLUSTER_SUFFIXES = (".localhost", ".svc", ".svc.cluster.local")


@dataclass(frozen=True, slots=True)
class AllowedHosts:
    """The allowed values of `Host`, with any port."""

    names: frozenset[str]
    suffixes: tuple[str, ...]
    """With the dot before them."""
    all: bool = False

    def permits(self, host: str) -> bool:
        """Return whether this well-formed `Host` is allowed."""
        if self.all or host.startswith("["):
            return True
        name = host.partition(":")[0].lower().removesuffix(".")
        return "." not in name or name in self.names or name.endswith(self.suffixes) or _is_address(name)


EVERY_HOST = AllowedHosts(frozenset(), (), all=True)


def allowed_hosts(listed: Iterable[str], *, machine: str = "", resolv_conf: str = "") -> AllowedHosts:
    """Return the defaults and the listed names; `*` lists all, and `*.example.com` all names below example.com.

    `resolv_conf` is the text of that file. Its search domains complete the machine's name; in a pod one of them is the
    domain of the cluster's Services.
    """
    domains = _search_domains(resolv_conf)
    machines = [machine, *(f"{machine}.{domain}" for domain in domains)] if machine else []
    given = [name.lower().removesuffix(".") for name in (*listed, *machines)]
    below = [name.removeprefix(ANY) for name in given if name.startswith("*.")]
    services = [f".{domain}" for domain in domains if domain.startswith("svc.")]
    return AllowedHosts(frozenset(given), (*_CLUSTER_SUFFIXES, *services, *below), all=ANY in given)


def _search_domains(resolv_conf: str) -> Sequence[str]:
    lines = [line.split() for line in resolv_conf.splitlines()]
    domains = [word.lower().strip(".") for line in lines if line[:1] == ["search"] for word in line[1:]]
    return [domain for domain in domains if domain]


def _is_address(name: str) -> bool:
    try:
        IPv4Address(name)
    except ValueError:
        return False
    return True


DEFAULT_HOSTS = allowed_hosts(())
