"""The Dockerfiles: each names modules of Pulltrace whose shared libraries go into the image."""

from __future__ import annotations

import re
from importlib.util import find_spec

import pytest

from tests.repository.files import ROOT


@pytest.mark.parametrize("program", ["agent", "aggregator"])
def test_imported_modules_exist(program: str) -> None:
    """The build imports these modules to find the libraries that they need."""
    text = (ROOT / "cmd" / program / "Dockerfile").read_text()
    [statement] = re.findall(r"cmd/rootfs\.sh 'import ([^']+)'", text)

    assert [name for name in statement.split(", ") if find_spec(name) is None] == []
