"""The query of a subscription. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from pulltrace.server.json.filters import NO_FILTERS, Filters


@dataclass(frozen=True, slots=True)
class SubscriptionOptions:
    """Subscribers with equal options receive the same bytes."""

    layers: bool = False
    """Send events of single layers too."""
    pods: bool = False
    """Send pods beside the pulls."""
    filters: Filters = NO_FILTERS
