"""The findings of the invariants: violations, and findings that a written rule excuses."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """A difference from a run without faults."""

    invariant: str
    what: str
    evidence: tuple[str, ...] = ()
    excuse: str | None = None
    """The rule that excuses it (`invariants.EXCUSES`); None for a violation."""


def violations(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    return tuple(one for one in findings if one.excuse is None)
