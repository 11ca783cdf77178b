"""The properties of every decoder of foreign bytes, for each kept sample and for some inputs made of them.

`make fuzz` tries many more (`tests/fuzz/__main__.py`).
"""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from tests.fuzz.kinds import CORPUS, KINDS, Kind

EXAMPLES = 40
SAMPLES = [pytest.param(kind, path, id=f"{kind.name}/{path.name}") for kind in KINDS for path in kind.samples]


@pytest.mark.parametrize(("kind", "path"), SAMPLES)
def test_sample(kind: Kind, path: Path) -> None:
    """Real samples and earlier findings have the properties of their kind."""
    kind.check(path.read_bytes())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_made_input(kind: Kind) -> None:
    """Inputs made of the samples have them too."""

    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    @given(st.randoms(use_true_random=False))
    def holds(chance: Random) -> None:
        data = kind.input(chance)
        note(f"input: {data!r}")
        kind.check(data)

    holds()


def test_every_folder_is_of_a_kind() -> None:
    """Each folder of samples belongs to a kind."""
    assert {path.name for path in CORPUS.iterdir()} == {kind.name for kind in KINDS}


@pytest.mark.parametrize("kind", ["http-answer", "request"])
def test_samples_of_http_keep_their_line_ends(kind: str) -> None:
    """A tool that rewrites the samples as text would turn CRLF into LF, and most of them into other samples."""
    samples = [path for path in (CORPUS / kind).iterdir() if path.name != "nul-in-a-header"]

    assert [path.name for path in samples if b"\r" not in path.read_bytes()] == []
