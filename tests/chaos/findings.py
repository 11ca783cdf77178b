"""What the judges find: what cannot be excused, and what a written rule excuses."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it would be on a quiet day."""

    invariant: str
    what: str
    evidence: tuple[str, ...] = ()
    excuse: str | None = None
    """The name of the rule that excuses it (`invariants.EXCUSES`); None: it is a violation."""


def violations(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    return tuple(one for one in findings if one.excuse is None)
