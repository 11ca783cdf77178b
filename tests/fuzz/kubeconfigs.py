"""Kubeconfig files."""

from __future__ import annotations

import asyncio
import re
import tempfile
from pathlib import Path

import yaml  # type: ignore[import-untyped]

from pulltrace.kube.client.credentials import RestConfig
from pulltrace.kube.client.kubeconfig import Kubeconfig
from pulltrace.kube.errors import ConnectError
from tests.fuzz.properties import is_line
from tests.fuzz.texts import SECRET

PROBLEM_CHARACTERS = 500
SECRET_IN_PLACE = re.compile(rb'(?:token|password)"?:\s*"?%s' % SECRET.encode())
RUNS_OR_READS = ("exec", "auth-provider", "cmd-path", "tokenFile")
"""Keys of programs and files: mutated names of those are not tried on this machine."""


def check(data: bytes) -> None:
    """Read any file as an access with fields of their types, or raise `ConnectError` on one line without a secret."""
    if _runs_something(data):
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config"
        path.write_bytes(data)
        try:
            access = asyncio.run(Kubeconfig(str(path)).config())
        except ConnectError as error:
            shown = str(error).replace(folder, "")
            is_line(shown, PROBLEM_CHARACTERS)
        else:
            shown = repr(access)
            _has_its_types(access)
        # A token that was moved to the place of a name is no secret any more.
        assert SECRET not in shown or SECRET.encode() in SECRET_IN_PLACE.sub(b"", data)


def _has_its_types(access: RestConfig) -> None:
    assert isinstance(access.base_url, str)
    assert isinstance(access.verify, bool)
    for text in (access.authorization, access.server_name, access.proxy, access.namespace):
        assert text is None or isinstance(text, str)


def _runs_something(data: bytes) -> bool:
    text = data.decode("utf-8", "replace")
    try:
        text += str(yaml.safe_load(data))
    except Exception:
        pass
    return any(word in text for word in RUNS_OR_READS)
