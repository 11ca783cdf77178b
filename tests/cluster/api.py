"""A client of the Kubernetes API for tests: one blocking call that speaks JSON.

Tests set the scene and check the result with it. It shares no code with the code under test.
"""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.cluster.pki import Certificate

JSON = dict[str, Any]


class ApiError(RuntimeError):
    """The API server answered with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


@dataclass(frozen=True)
class Identity:
    """The holder of a certificate or of a token."""

    url: str
    authority: Path
    certificate: Certificate | None = None
    token: str | None = None

    @cached_property
    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.authority))
        if self.certificate:
            context.load_cert_chain(self.certificate.certificate, self.certificate.key)
        return context

    def call(self, method: str, path: str, body: JSON | None = None, *, content_type: str = "application/json") -> JSON:
        """Ask the API server and return its answer; a status above 399 is an ApiError."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": content_type}, method=method)
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        handlers = [urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self._context)]
        try:
            with urllib.request.build_opener(*handlers).open(request, timeout=30) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            with error:
                raise ApiError(error.code, _message(error.read())) from error
        result: JSON = json.loads(text) if text[:1] == b"{" else {"text": text.decode()}
        return result

    def get(self, path: str) -> JSON:
        """Read an object or a list."""
        return self.call("GET", path)

    def create(self, path: str, body: JSON) -> JSON:
        """Create an object in a collection."""
        return self.call("POST", path, body)

    def replace(self, path: str, body: JSON) -> JSON:
        """Replace an object."""
        return self.call("PUT", path, body)

    def patch(self, path: str, body: JSON) -> JSON:
        """Merge into an object."""
        return self.call("PATCH", path, body, content_type="application/merge-patch+json")

    def delete(self, path: str) -> JSON:
        """Delete an object."""
        return self.call("DELETE", path)

    def kubeconfig(self) -> JSON:
        """Return the same identity for kubectl, helm and the programs of Kubernetes."""
        user: JSON = {}
        if self.certificate:
            user["client-certificate"] = str(self.certificate.certificate)
            user["client-key"] = str(self.certificate.key)
        if self.token:
            user["token"] = self.token
        server = {"server": self.url, "certificate-authority": str(self.authority)}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": server}],
            "users": [{"name": "user", "user": user}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "user"}}],
            "current-context": "test",
        }

    def write_kubeconfig(self, path: Path) -> Path:
        """Write it as a file and return its path."""
        path.write_text(json.dumps(self.kubeconfig(), indent=1), encoding="utf-8")
        return path


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace")
