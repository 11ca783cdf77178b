"""Ids of rows."""

from __future__ import annotations

import re

import pytest

from pulltrace.aggregator.rows.row_ids import row_id
from pulltrace.aggregator.state.cluster_state import ClusterState
from pulltrace.aggregator.state.store import PullStore
from pulltrace.kube.watch.watch_events import Upserted
from pulltrace.pulls.model import Phase
from tests.aggregator.builders import pull_row_id
from tests.builders.leases import LeaseWriter
from tests.builders.pods import NODE
from tests.builders.pulls import ended, pull


def test_an_id_depends_on_the_node_and_the_agents_id() -> None:
    """The id is 12 hex digits, the same in every process."""
    ids = {row_id(NODE, pull(1).id), row_id(NODE, pull(2).id), row_id("node-2", pull(1).id)}

    assert row_id(NODE, pull(1).id) == "a186a4264836"
    assert all(re.fullmatch(r"[0-9a-f]{12}", each) for each in ids)
    assert len(ids) == 3


def test_running_and_ended_pulls_have_ids_of_rows() -> None:
    """The id stays when the pull ends."""
    store, writer = PullStore(), LeaseWriter()
    cluster = ClusterState(store, 600)
    cluster.lease_event(Upserted(writer.lease(pull(1), recent=(ended(2),))), 0)
    assert store.snapshot().pulls.keys() == {pull_row_id(1), pull_row_id(2)}

    cluster.lease_event(Upserted(writer.lease(recent=(ended(1), ended(2)))), 1)
    assert {key: row.pull.phase for key, row in store.snapshot().pulls.items()} == {
        pull_row_id(1): Phase.COMPLETED,
        pull_row_id(2): Phase.COMPLETED,
    }


def test_a_node_cannot_use_the_id_of_another_nodes_row() -> None:
    """An agent that reports the other agent's id, or the id of its row, gets a row of its own."""
    store, writer = PullStore(), LeaseWriter()
    cluster = ClusterState(store, 600)
    cluster.lease_event(Upserted(writer.lease(pull(1))), 0)
    [row] = store.snapshot().pulls.values()
    cluster.lease_event(Upserted(writer.lease(pull(1), pull(2, id=row.id), node="evil")), 0)

    rows = store.snapshot().pulls
    assert rows[row.id] == row
    assert sorted(each.node for each in rows.values()) == ["evil", "evil", NODE]


def test_a_collision_of_hashes_leaves_the_other_nodes_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first row with an id keeps it until it is deleted, even if another node finds a collision."""
    monkeypatch.setattr("pulltrace.aggregator.rows.node_state.row_id", lambda node, key: key)
    store, writer = PullStore(), LeaseWriter()
    cluster = ClusterState(store, 600)
    cluster.lease_event(Upserted(writer.lease(pull(1))), 0)
    before = store.snapshot().pulls
    cluster.lease_event(Upserted(writer.lease(pull(1, downloaded_bytes=999), node="evil")), 0)
    cluster.lease_event(Upserted(writer.lease(node="evil")), 1)

    assert store.snapshot().pulls == before
