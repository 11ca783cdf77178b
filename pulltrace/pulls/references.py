"""Image names: those of pods made comparable with containerd's records. Pure.

The rules are those of the distribution project's "familiar" names, which containerd's CRI plugin follows: `nginx` is
`docker.io/library/nginx:latest`. An invalid name stays as it is: names are only compared and shown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

DEFAULT_DOMAIN = "docker.io"
_HOST_AND_PORT = re.compile(r"\[?(.+?)\]?(?::\d+)?")


@dataclass(frozen=True, slots=True)
class Reference:
    """`repository` is `domain/path`; a name without tag and digest means the tag `latest`."""

    repository: str
    tag: str | None
    digest: str | None

    @property
    def source(self) -> str:
        """The repository in the labels of containerd's blobs: without the registry's port."""
        domain, _, path = self.repository.partition("/")
        host = _HOST_AND_PORT.fullmatch(domain)
        return f"{host[1] if host else domain}/{path}"

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.repository}{tag}{digest}"


def parse_reference(name: str) -> Reference:
    """Return the parts of an image name as a pod or containerd writes it."""
    rest, _, digest = name.strip().partition("@")
    rest = rest if digest else rest.rstrip()
    path, _, last = rest.rpartition("/")
    last, _, tag = last.partition(":")
    rest = f"{path}/{last}" if path else last
    if not tag and not digest:
        tag = "latest"
    return Reference(_with_domain(rest), tag or None, digest or None)


@lru_cache(maxsize=1024)
def full_name(name: str) -> str:
    """Return the full form as text: all names of one image are equal."""
    return str(parse_reference(name))


def _with_domain(name: str) -> str:
    domain, slash, path = name.partition("/")
    # The first part is a host when it cannot be a user name: it has a dot or a port, or is localhost.
    if not slash or not ("." in domain or ":" in domain or domain == "localhost" or domain != domain.lower()):
        domain, path = DEFAULT_DOMAIN, name
    if domain == "index.docker.io":
        domain = DEFAULT_DOMAIN
    if domain == DEFAULT_DOMAIN and "/" not in path:
        path = f"library/{path}"
    return f"{domain}/{path}"


def short_name(name: str) -> str:
    """Return the name without the default domain and `library/`, and with 19 characters of a digest."""
    name = name.removeprefix(f"{DEFAULT_DOMAIN}/library/").removeprefix(f"{DEFAULT_DOMAIN}/")
    head, at, digest = name.partition("@")
    return f"{head}{at}{digest[:19]}" if at else head
