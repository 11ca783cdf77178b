"""Containers that wait for an image: statuses as the kubelet writes them."""

from __future__ import annotations

import tracemalloc
import uuid
from typing import Any

import orjson
import pytest

from pulltrace.kube.decoding.partial_json import SMALL_BYTES, read_object
from pulltrace.kube.resources.pending_pods import POD_SHAPE, ImageWait, PodRecord, Role, pod_key, pod_record
from pulltrace.pulls.references import parse_reference
from pulltrace.pulls.view import Workload
from tests.builders.pods import pod_object

Raw = dict[str, Any]

IMAGE_VOLUME: Raw = {"name": "model", "image": {"reference": "m:1"}}


def waits(reason: str | None, name: str = "main", **more: str) -> Raw:
    waiting = {key: value for key, value in {"reason": reason, **more}.items() if value is not None}
    return {"name": name, "imageID": "", "state": {"waiting": waiting}}


def names(record: PodRecord) -> list[str]:
    return [wait.name for wait in record.waiting]


def test_a_pod_record_has_image_node_and_workload() -> None:
    """Namespace, name, uid, node, workload and times."""
    owners = [{"kind": "Other", "name": "x"}, {"kind": "ReplicaSet", "name": "web", "controller": True}]
    record = pod_record(pod_object(status={"startTime": "2026-11-24T06:00:00Z"}, ownerReferences=owners))

    assert (record.namespace, record.name, record.uid, record.node) == ("shop", "web-1", "u-1", "node-1")
    assert record.workload == Workload("shop", "ReplicaSet", "web")
    assert (record.started_at, record.ending) == (1_795_500_000.0, False)
    assert record.key == pod_key(pod_object()) == "shop/web-1"


def test_the_hash_of_a_static_pod() -> None:
    """The hash of its file, as the annotation of its mirror has it; others have none, and a long one is cut."""
    annotations = {"kubernetes.io/config.mirror": "c0ffee" * 100}
    record = pod_record(pod_object(annotations=annotations, creationTimestamp="2026-11-24T06:00:00Z"))

    assert record.config_hash == ("c0ffee" * 100)[:128]
    assert record.created_at == 1_795_500_000.0
    assert (pod_record(pod_object()).config_hash, pod_record(pod_object()).created_at) == (None, None)


def test_a_pod_the_kubelet_has_not_seen_waits() -> None:
    """Without any status each container waits."""
    assert pod_record(pod_object()).waiting == (ImageWait("main", "nginx:1", Role.MAIN),)


@pytest.mark.parametrize(
    "reason",
    [None, "ContainerCreating", "PodInitializing", "ErrImagePull", "ImagePullBackOff", "InvalidImageName"],
)
def test_reasons_that_have_to_do_with_images(reason: str | None) -> None:
    """The kubelet's reason is kept."""
    record = pod_record(pod_object(status={"containerStatuses": [waits(reason)]}))

    assert record.waiting == (ImageWait("main", "nginx:1", Role.MAIN, reason),)


@pytest.mark.parametrize("reason", ["CreateContainerConfigError", "CreateContainerError", "CrashLoopBackOff"])
def test_reasons_that_come_after_the_image(reason: str) -> None:
    """A container that cannot be made for another reason has its image."""
    assert pod_record(pod_object(status={"containerStatuses": [waits(reason)]})).waiting == ()


@pytest.mark.parametrize(
    "status",
    [
        {"state": {"running": {}}, "imageID": "sha256:1"},
        {"state": {"terminated": {"exitCode": 0}}, "imageID": ""},
        {"state": {"waiting": {"reason": "ContainerCreating"}}, "imageID": "sha256:1"},
    ],
    ids=["running", "ended", "made before"],
)
def test_a_container_that_was_made_does_not_wait(status: Raw) -> None:
    """A container that runs, has ended or has an image ID had its image."""
    assert pod_record(pod_object(status={"containerStatuses": [{"name": "main", **status}]})).waiting == ()


def test_a_failure_brings_its_message() -> None:
    """The kubelet's message is one line of at most 1 KiB without credentials."""
    status = waits("ErrImagePull", message="failed to pull:\n https://me:secret@host/ not found " + "x " * 1000)
    [wait] = pod_record(pod_object(status={"containerStatuses": [status]})).waiting

    assert wait.message
    assert wait.message.startswith("failed to pull: https://***@host/ not found x x")
    assert len(wait.message.encode()) == 1024


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff"])
def test_a_container_that_is_made_again_waits_while_its_pull_fails(reason: str) -> None:
    """Its status has the image of the previous container."""
    status = {**waits(reason), "imageID": "sha256:1", "lastState": {"terminated": {"exitCode": 1}}}

    assert names(pod_record(pod_object(status={"containerStatuses": [status]}))) == ["main"]


def test_containers_after_a_running_init_container_wait() -> None:
    """The kubelet has not checked the images of the later containers."""
    spec = {"initContainers": [{"name": "first", "image": "a"}, {"name": "second", "image": "b"}]}
    running = {"name": "first", "imageID": "sha256:1", "state": {"running": {}}}
    statuses = {"initContainerStatuses": [running, waits("PodInitializing", "second")]}
    record = pod_record(pod_object(spec, {**statuses, "containerStatuses": [waits("PodInitializing")]}))

    assert names(record) == ["second", "main"]


def test_an_ephemeral_container_of_a_running_pod() -> None:
    """It alone waits."""
    spec = {"ephemeralContainers": [{"name": "debug", "image": "d"}], "volumes": [IMAGE_VOLUME]}
    running = {"name": "main", "imageID": "sha256:1", "state": {"running": {}}}
    waiting = waits("ContainerCreating", "debug")
    record = pod_record(pod_object(spec, {"containerStatuses": [running], "ephemeralContainerStatuses": [waiting]}))

    assert names(record) == ["debug"]


def test_a_static_pod_is_its_own_workload() -> None:
    """The owner of its mirror pod is the Node."""
    owners = [{"kind": "Node", "name": "node-1", "controller": True}]

    assert pod_record(pod_object(ownerReferences=owners)).workload == Workload("shop", "Pod", "web-1")


def test_all_kinds_of_containers_in_the_kubelets_order() -> None:
    """Image volumes, init containers, sidecars, containers, ephemeral ones."""
    spec = {
        "initContainers": [
            {"name": "init", "image": "a"},
            {"name": "side", "image": "b", "restartPolicy": "Always"},
        ],
        "ephemeralContainers": [{"name": "debug", "image": "d"}],
        "volumes": [{"name": "config", "configMap": {}}, {"name": "model", "image": {"reference": "m:1"}}],
    }
    assert [(wait.name, wait.image, wait.role) for wait in pod_record(pod_object(spec)).waiting] == [
        ("model", "m:1", Role.VOLUME),
        ("init", "a", Role.INIT),
        ("side", "b", Role.SIDECAR),
        ("main", "nginx:1", Role.MAIN),
        ("debug", "d", Role.EPHEMERAL),
    ]


def test_an_image_volume_is_present_before_the_first_container() -> None:
    """Once a container was made, the volumes' images are on the node."""
    spec = {
        "initContainers": [{"name": "init", "image": "a"}],
        "volumes": [{"name": "model", "image": {"reference": "m:1"}}],
    }
    ended = {"name": "init", "state": {"terminated": {}}, "imageID": "sha256:1"}
    status = {"initContainerStatuses": [ended], "containerStatuses": [waits("PodInitializing")]}

    assert names(pod_record(pod_object(spec, status))) == ["main"]


@pytest.mark.parametrize("name", ["models.test/m:1", "m:1"])
def test_a_failed_volume_is_in_the_status_of_its_container(name: str) -> None:
    """The failure is the volume's; the container's own image was not requested yet, and others have started."""
    volume = {"name": "model", "image": {"reference": name}}
    spec = {
        "containers": [{"name": "main", "image": "nginx:1"}, {"name": "other", "image": "redis:1"}],
        "volumes": [volume],
    }
    message = f'failed to pull and unpack image "{parse_reference(name)}": not found'
    running = {"name": "other", "imageID": "sha256:1", "state": {"running": {}}}
    status = {"containerStatuses": [waits("ErrImagePull", message=message), running]}

    assert pod_record(pod_object(spec, status)).waiting == (
        ImageWait("model", name, Role.VOLUME, "ErrImagePull", message),
        ImageWait("main", "nginx:1", Role.MAIN),
    )


def test_a_volume_that_fails_for_a_container_made_again() -> None:
    """A container that had its image before waits for the volume only."""
    message = 'Back-off pulling image "m:1"'
    status = {**waits("ImagePullBackOff", message=message), "imageID": "sha256:1"}
    record = pod_record(pod_object({"volumes": [IMAGE_VOLUME]}, {"containerStatuses": [status]}))

    assert record.waiting == (ImageWait("model", "m:1", Role.VOLUME, "ImagePullBackOff", message),)


def test_a_pod_that_is_being_deleted_waits_for_nothing() -> None:
    """Its pulls have ended."""
    record = pod_record(pod_object(deletionTimestamp="2026-01-01T00:00:00Z"))

    assert (record.ending, record.waiting) == (True, ())


def test_ten_thousand_records_are_small() -> None:
    """At most 0.5 KiB for a pod of a Deployment that waits for two images, the dictionary that holds it included."""

    def raw(number: int) -> Raw:
        app = f"app-{number % 300}"
        spec = {
            "initContainers": [{"name": "init", "image": f"registry.example/tools/{app}-init:1.2.3"}],
            "containers": [{"name": "main", "image": f"registry.example/team/{app}:1.2.3"}],
        }
        message = f'Back-off pulling image "registry.example/tools/{app}-init:1.2.3": ErrImagePull: not found'
        status = {
            "startTime": "2026-11-24T06:00:00Z",
            "initContainerStatuses": [waits("ImagePullBackOff", "init", message=message)],
            "containerStatuses": [waits("PodInitializing")],
        }
        metadata = {
            "name": f"{app}-7d4b9c6f5-{number:05}",
            "uid": str(uuid.UUID(int=number)),
            "labels": {"pod-template-hash": "7d4b9c6f5"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": f"{app}-7d4b9c6f5", "controller": True}],
        }
        return pod_object({**spec, "nodeName": f"node-{number % 500}"}, status, **metadata)

    lines = [orjson.dumps(raw(number)) for number in range(10_000)]
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        kept = {record.key: record for record in map(pod_record, map(orjson.loads, lines))}
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    bytes_each = (after - before) / len(kept)
    print(f"{bytes_each:.0f} bytes a pod")
    assert bytes_each <= 512


def test_the_first_of_many_waits_are_kept() -> None:
    """A pod of 20,000 containers keeps 64 of them and the number of the others; the next come in as the first are made."""
    containers = [{"name": f"c{number}", "image": "nginx:1"} for number in range(20_000)]
    record = pod_record(pod_object({"containers": containers}))
    assert (len(record.waiting), record.more_waiting) == (64, 19_936)

    made = [{"name": f"c{number}", "imageID": "x", "state": {"running": {}}} for number in range(19_999)]
    record = pod_record(pod_object({"containers": containers}, {"containerStatuses": made}))
    assert (names(record), record.more_waiting) == (["c19999"], 0)


def test_the_first_of_long_waits_are_kept() -> None:
    """Images of a KiB each are kept up to 16 KiB of a pod, and one at least."""
    containers = [{"name": f"c{number}", "image": f"{number}" + "x" * 5000} for number in range(50)]
    record = pod_record(pod_object({"containers": containers}))
    assert (len(record.waiting), record.more_waiting) == (15, 35)


def test_the_names_of_an_owner_are_short() -> None:
    """The API server bounds neither kind nor name of an owner, and a workload is kept for a while."""
    owners = [{"kind": "K" * 1_000_000, "name": "n" * 1_000_000, "controller": True}]
    assert pod_record(pod_object(ownerReferences=owners)).workload == Workload("shop", "K" * 253, "n" * 253)


def test_the_fields_of_a_large_pod_are_all_that_is_read() -> None:
    """A pod that is read by its fields gives the record of the whole one."""
    spec = {
        "initContainers": [{"name": "init", "image": "i:1", "restartPolicy": "Always", "env": [{"name": "A"}]}],
        "containers": [{"name": "main", "image": "nginx:1"}, {"name": "made", "image": "nginx:2"}],
        "ephemeralContainers": [{"name": "debug", "image": "busybox"}],
        "volumes": [IMAGE_VOLUME, {"name": "other", "emptyDir": {}}],
    }
    status = {
        "startTime": "2026-11-24T06:00:00Z",
        "initContainerStatuses": [waits("ErrImagePull", "init", message='failed to pull "m:1"')],
        "containerStatuses": [
            waits("ImagePullBackOff", message="no"),
            {"name": "made", "imageID": "x", "state": {"running": {"startedAt": "x"}}},
        ],
        "ephemeralContainerStatuses": [waits(None, "debug")],
    }
    owners = [{"kind": "ReplicaSet", "name": "web-5d", "controller": True, "uid": "x"}]
    raw = pod_object(spec, status, labels={"pod-template-hash": "5d", "a": "b"}, ownerReferences=owners)
    large = orjson.dumps({**raw, "padding": "x" * SMALL_BYTES})

    assert pod_record(read_object(large, POD_SHAPE)) == pod_record(raw)
    assert pod_record(raw).workload == Workload("shop", "Deployment", "web")
