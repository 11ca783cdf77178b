"""The rights of agent and aggregator as a real API server sees them: exactly those of a table, and none by way of others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.processes import wait_until
from tests.deploy.who_can import Reviews, installed, table

pytestmark = pytest.mark.real("etcd", "openssl")

TABLE = Path(__file__).parent / "who_can.txt"


def test_who_can() -> None:
    """Every verb of every resource is checked; only the rights in `who_can.txt` are granted."""
    with installed() as cluster:
        reviews = Reviews(cluster.admin, "pulltrace-aggregator")
        wait_until(lambda: reviews.verbs("pods.", ""), "the roles to be in force")
        reviews.close()
        found = table(cluster.admin)

    assert found.splitlines() == TABLE.read_text().splitlines()
