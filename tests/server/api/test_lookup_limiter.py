"""The rates of lookups in Kubernetes, for one address and for the replica."""

from __future__ import annotations

import pytest

from pulltrace.server.api.lookup_limiter import MAX_ADDRESSES, LookupLimiter, Rate, TooManyLookups
from tests.builders.virtual_time import FakeTime

REPLICA = Rate(10, 20)
ADDRESS = Rate(1, 5)


def limiter(time: FakeTime, replica: Rate = REPLICA, address: Rate = ADDRESS) -> LookupLimiter:
    return LookupLimiter(lambda: time.now, replica=replica, address=address)


def admitted(limiter: LookupLimiter, address: str, times: int = 100) -> int:
    """How many of so many questions are admitted."""
    count = 0
    for _ in range(times):
        try:
            limiter.admit(address)
        except TooManyLookups:
            continue
        count += 1
    return count


def test_one_address() -> None:
    """It may ask so often at once, then at its rate, and never saves up more than the burst."""
    time = FakeTime()
    limits = limiter(time)
    counts = [admitted(limits, "192.0.2.1")]
    for seconds in (0.5, 0.5, 3, 1000):
        time.now += seconds
        counts.append(admitted(limits, "192.0.2.1"))

    assert counts == [5, 0, 1, 3, 5]


def test_flood_of_one_address_spares_others() -> None:
    """A refused lookup costs the other addresses nothing."""
    limits = limiter(FakeTime())
    assert admitted(limits, "192.0.2.1", 100_000) == 5
    assert admitted(limits, "192.0.2.2") == 5


def test_all_addresses() -> None:
    """However many addresses ask, the replica's bucket bounds them, and its refusal costs an address nothing."""
    time = FakeTime()
    limits = limiter(time)
    assert sum(admitted(limits, f"192.0.2.{number}") for number in range(100)) == 20
    time.now += 1
    assert admitted(limits, "192.0.2.99") == 5


def test_unknown_addresses_share_a_bucket() -> None:
    """A peer without an address is no way around the bound."""
    assert admitted(limiter(FakeTime()), "") == 5


@pytest.mark.parametrize(("rate", "seconds"), [(Rate(5, 1), 1), (Rate(0.1, 1), 10)])
def test_when_to_come_again(rate: Rate, seconds: int) -> None:
    """The refusal says in how many whole seconds the next question is admitted."""
    time = FakeTime()
    limits = limiter(time, address=rate)
    limits.admit("192.0.2.1")
    with pytest.raises(TooManyLookups) as refused:
        limits.admit("192.0.2.1")
    time.now += refused.value.retry_seconds
    limits.admit("192.0.2.1")

    assert refused.value.retry_seconds == seconds


def test_addresses_are_bounded() -> None:
    """Ever-new addresses do not fill the memory."""
    limits = limiter(FakeTime(), replica=Rate(1, 1_000_000))
    for number in range(MAX_ADDRESSES + 100):
        limits.admit(f"address {number}")

    assert len(limits._addresses) == MAX_ADDRESSES
