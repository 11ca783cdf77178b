"""Whose an id of a pull is. Pure.

Agents make the ids, and a row is found by its id alone, so a node must not be able to take the rows of another by
using its ids. Who came first cannot be known after a restart. So nothing is refused: whoever uses an id that another
node has at that time gets another one for it, made of its own name, and keeps it as long as it tells of that pull.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import replace

from pulltrace.pulls.model import NodeReport, Pull


class PullIds:
    """Which node has which id."""

    def __init__(self) -> None:
        self._node_of: dict[str, str] = {}
        self._ids_of: dict[str, set[str]] = {}
        self._shown: dict[str, dict[str, str]] = {}
        """By node: the ids that it uses and another has, and what is shown instead."""

    def claim(self, node: str, report: NodeReport) -> NodeReport:
        """The report, with ids that are the node's own."""
        pulls = tuple(self._own(node, pull) for pull in report.pulls)
        recent = tuple(self._own(node, pull) for pull in report.recent)
        if node in self._shown:
            told = {pull.id for pull in (*report.pulls, *report.recent)}
            self._shown[node] = {key: shown for key, shown in self._shown[node].items() if key in told}
            if not self._shown[node]:
                del self._shown[node]
        return replace(report, pulls=pulls, recent=recent)

    def keep(self, node: str, ids: Collection[str]) -> None:
        """The node has rows of these ids, and of no others any more."""
        gone = self._ids_of.get(node, set()).difference(ids)
        for key in gone:
            del self._node_of[key]
        if gone:
            self._ids_of[node] -= gone
            if not self._ids_of[node]:
                del self._ids_of[node]
                self._shown.pop(node, None)

    def _own(self, node: str, pull: Pull) -> Pull:
        shown = self._shown.get(node, {}).get(pull.id) or pull.id
        while self._node_of.setdefault(shown, node) != node:
            shown = hashlib.sha256(f"{node} {shown}".encode()).hexdigest()[:12]
            self._shown.setdefault(node, {})[pull.id] = shown
        self._ids_of.setdefault(node, set()).add(shown)
        return pull if shown == pull.id else replace(pull, id=shown)
