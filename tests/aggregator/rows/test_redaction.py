"""Credentials in the names of images: no source of a name brings them into anything that is shown."""

from __future__ import annotations

import json

import orjson
import pytest

from pulltrace.aggregator.leader.event_messages import QUEUED, EventDraft, Rates, write_event
from pulltrace.aggregator.state.cluster_state import ClusterState
from pulltrace.aggregator.state.store import PullStore
from pulltrace.kube.resources.kubelet_events import kubelet_event_of
from pulltrace.kube.resources.pending_pods import pod_record
from pulltrace.kube.watch.watch_events import Replaced, Upserted
from pulltrace.pulls.lease_format.annotations import encode
from pulltrace.pulls.model import NodeReport
from pulltrace.pulls.view import Ahead, ImageNeed, NeedState, Row
from pulltrace.server.json import serializers
from tests.builders.events import event_object
from tests.builders.leases import LeaseWriter
from tests.builders.pulls import START, ended, pull
from tests.fuzz import secret_names

SECRET = "Zq9hunter2"


def raw_pod(image: str, message: str = "", reason: str = "InvalidImageName") -> dict[str, object]:
    """Return a Pod with a container and an image volume of this name."""
    waiting = {"reason": reason, "message": message}
    return {
        "metadata": {"name": "web-1", "namespace": "shop", "uid": "u-1"},
        "spec": {
            "nodeName": "node-1",
            "containers": [{"name": "main", "image": image}],
            "volumes": [{"name": "model", "image": {"reference": image}}],
        },
        "status": {
            "phase": "Pending",
            "containerStatuses": [{"name": "main", "imageID": "", "state": {"waiting": waiting}}],
        },
    }


@pytest.mark.parametrize("shape", secret_names.SHAPES)
def test_nothing_that_is_shown_has_a_secret(shape: str) -> None:
    """Pods, kubelets' Events and Leases may say it; rows, texts of Events and summaries do not."""
    name = shape.format(SECRET)
    message = f"couldn't parse image name {json.dumps(name, ensure_ascii=False)}: invalid reference format"
    store, writer = PullStore(), LeaseWriter()
    cluster = ClusterState(store, 1800.0)
    escaped = {key: json.dumps([name])[1:-1] for key in ("names", "repo")}
    entry = f'{{"v":1,"phase":"downloading","start":"2025-11-23T15:00:00Z","names":[{escaped["names"]}],"repo":[{escaped["repo"]}]}}'
    cluster.lease_event(Replaced((writer.lease(pull(2), recent=(ended(3),), junk=entry),)), 0)
    cluster.pod_event(Replaced((pod_record(raw_pod(name, message)),)), 0)
    for reason in ("Pulling", "Failed"):
        raw = event_object(reason, f"Failed to pull image {json.dumps(name, ensure_ascii=False)}: {message}")
        if (record := kubelet_event_of(raw)) is not None:
            cluster.kubelet_event(Upserted(record), 1)
    snapshot = store.snapshot()
    rows: list[Row] = [*snapshot.pulls.values(), *snapshot.pods.values()]
    (pod,) = snapshot.pods.values()
    need = pod.needs[0]
    note = write_event(EventDraft(QUEUED, pod, _behind(need), None), Rates({}, {}), 2.0).note
    report = NodeReport(pulls=tuple(row.pull for row in snapshot.pulls.values() if not row.pull.phase.ended))
    shown = [*(serializers.encode(row, START) for row in rows), note, orjson.dumps(encode(report)), repr(snapshot)]

    assert any(need.image in str(text) for text in shown)
    assert [text for text in shown if SECRET[:8] in str(text)] == []


def test_two_pods_that_name_the_same_image_still_do() -> None:
    """The name is the same in a Pod and in the kubelet's message, so a volume's failure is still found."""
    name = f"user:{SECRET}@registry.test/model:1"
    record = pod_record(raw_pod(name, f'Failed to pull image "{name}": not found', "ErrImagePull"))
    (volume, *_) = record.waiting

    assert (volume.name, volume.image, volume.reason) == ("model", "***@registry.test/model:1", "ErrImagePull")


def _behind(need: ImageNeed) -> ImageNeed:
    ahead = Ahead(need.image, need.pull_id)
    return ImageNeed(need.container, need.role, need.image, NeedState.QUEUED, behind=(ahead,))
