"""A rate limit for lookups in Kubernetes on behalf of clients.

Each lookup is a request to the API server under the aggregator's identity. One token bucket bounds the lookups of the
replica. A bucket for each address keeps one client from using up the replica's bucket. Requests that wait already have
a limiter of their own, so that new requests cannot exhaust it.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

MAX_ADDRESSES = 4096
"""The address that has asked least recently is dropped first; the replica's bucket still bounds it."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Lookups a second, and at once after a pause."""

    per_second: float
    burst: float


REPLICA = Rate(20, 100)
ADDRESS = Rate(5, 50)


class TooManyLookups(Exception):
    """The limiter refuses a lookup."""

    def __init__(self, detail: str, retry_seconds: int) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_seconds = retry_seconds


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float

    def fill(self, rate: Rate, now: float) -> None:
        self.tokens = min(rate.burst, self.tokens + rate.per_second * max(0.0, now - self.at))
        self.at = now


class LookupLimiter:
    """Token buckets for the replica and for each address."""

    def __init__(self, monotonic: Callable[[], float], *, replica: Rate = REPLICA, address: Rate = ADDRESS) -> None:
        self._monotonic = monotonic
        self._replica_rate, self._address_rate = replica, address
        self._replica = _Bucket(replica.burst, monotonic())
        self._addresses: OrderedDict[str, _Bucket] = OrderedDict()

    def admit(self, address: str) -> None:
        """Count one lookup; raises TooManyLookups when a bucket is empty. Clients of unknown address share `""`."""
        now = self._monotonic()
        bucket = self._bucket(address, now)
        bucket.fill(self._address_rate, now)
        self._replica.fill(self._replica_rate, now)
        if bucket.tokens < 1:
            raise _refusal(address or "An unknown address", bucket, self._address_rate)
        if self._replica.tokens < 1:
            raise _refusal("The clients of this replica", self._replica, self._replica_rate)
        bucket.tokens -= 1
        self._replica.tokens -= 1

    def _bucket(self, address: str, now: float) -> _Bucket:
        if address not in self._addresses:
            if len(self._addresses) >= MAX_ADDRESSES:
                self._addresses.popitem(last=False)
            self._addresses[address] = _Bucket(self._address_rate.burst, now)
        self._addresses.move_to_end(address)
        return self._addresses[address]


def _refusal(client: str, bucket: _Bucket, rate: Rate) -> TooManyLookups:
    detail = f"{client} asked for more than {rate.per_second:g} lookups in Kubernetes a second."
    return TooManyLookups(detail, max(1, math.ceil((1 - bucket.tokens) / rate.per_second)))
