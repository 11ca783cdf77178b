"""The kinds of foreign bytes: their samples, and the properties of their decoders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from random import Random

from tests.fuzz import (
    blobs,
    http_answers,
    kubeconfigs,
    leases,
    objects,
    observations,
    queries,
    requests,
    settings_texts,
    texts,
    watches,
)
from tests.fuzz.mutations import mutated
from tests.fuzz.secrets import text_with_a_secret

CORPUS = Path(__file__).parent / "corpus"


@dataclass(frozen=True)
class Kind:
    """One kind of foreign bytes."""

    name: str
    check: Callable[[bytes], None]
    """Raise for bytes of which a property does not hold; its docstring states the properties."""
    more: Sequence[bytes] = ()
    """Samples of other tests."""
    made: Callable[[Random], bytes] | None = None
    """Makes inputs; None: from the samples."""

    @property
    def samples(self) -> list[Path]:
        return sorted((CORPUS / self.name).iterdir())

    def input(self, chance: Random) -> bytes:
        return mutated(chance, self._bytes) if self.made is None else self.made(chance)

    @cached_property
    def _bytes(self) -> list[bytes]:
        return [*(path.read_bytes() for path in self.samples), *self.more]


KINDS = (
    Kind("blob", blobs.check),
    Kind("event", objects.check_event),
    Kind("failure", texts.check_failure, more=texts.FAILURES),
    Kind("header", queries.check_header),
    Kind("http-answer", http_answers.check),
    Kind("kubeconfig", kubeconfigs.check),
    Kind("lease", leases.check, more=leases.SAMPLES),
    Kind("node", observations.check),
    Kind("page", watches.check_page),
    Kind("pod", objects.check_pod),
    Kind("query", queries.check_query),
    Kind("reference", texts.check_reference),
    Kind("request", requests.check),
    Kind("secret", texts.check_secret, made=text_with_a_secret),
    Kind("settings", settings_texts.check),
    Kind("status", objects.check_status),
    Kind("watch", watches.check_lines),
)
BY_NAME = {kind.name: kind for kind in KINDS}
