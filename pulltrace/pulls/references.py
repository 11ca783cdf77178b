"""Image names: what a pod writes, made comparable with what containerd records.

The rules are those of the distribution project's "familiar" names, which containerd's CRI plugin
follows: `nginx` is `docker.io/library/nginx:latest`. A name that cannot be read stays as it is: names
come from pods, so from anybody, and are only compared and shown.
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
        """The repository as containerd notes it on the blobs that come from there: without the registry's port."""
        domain, _, path = self.repository.partition("/")
        host = _HOST_AND_PORT.fullmatch(domain)
        return f"{host[1] if host else domain}/{path}"

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.repository}{tag}{digest}"


def parse_reference(name: str) -> Reference:
    """The full form of an image name as a pod or containerd writes it."""
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
    """The full form as text: names that mean the same image are equal."""
    return str(parse_reference(name))


def _with_domain(name: str) -> str:
    domain, slash, path = name.partition("/")
    # A first part is a host when it could not be a user name: it has a dot or a port, or is localhost.
    if not slash or not ("." in domain or ":" in domain or domain == "localhost" or domain != domain.lower()):
        domain, path = DEFAULT_DOMAIN, name
    if domain == "index.docker.io":
        domain = DEFAULT_DOMAIN
    if domain == DEFAULT_DOMAIN and "/" not in path:
        path = f"library/{path}"
    return f"{domain}/{path}"


def short_name(name: str) -> str:
    """The name as people write it: without the default domain and `library/`, and without most of a digest."""
    name = name.removeprefix(f"{DEFAULT_DOMAIN}/library/").removeprefix(f"{DEFAULT_DOMAIN}/")
    head, at, digest = name.partition("@")
    return f"{head}{at}{digest[:19]}" if at else head
