"""Which containers wait for an image: statuses as the kubelet writes them."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from pulltrace.kube.pods import ImageWait, PodRecord, Role, pod_key, pod_record

Raw = dict[str, Any]


def pod(spec: Raw | None = None, status: Raw | None = None, **metadata: Any) -> Raw:
    return {
        "metadata": {"name": "web-1", "namespace": "shop", "uid": "u-1", **metadata},
        "spec": {"nodeName": "node-1", "containers": [{"name": "main", "image": "nginx:1"}], **(spec or {})},
        "status": {"phase": "Pending", **(status or {})},
    }


def waits(reason: str | None, name: str = "main", **more: str) -> Raw:
    waiting = {key: value for key, value in {"reason": reason, **more}.items() if value is not None}
    return {"name": name, "imageID": "", "state": {"waiting": waiting}}


def names(record: PodRecord) -> list[str]:
    return [wait.name for wait in record.waiting]


def test_a_pod_says_what_where_and_whose() -> None:
    """Namespace, name, uid, node and controller."""
    owners = [{"kind": "Other", "name": "x"}, {"kind": "ReplicaSet", "name": "web", "controller": True}]
    record = pod_record(pod(ownerReferences=owners))

    assert (record.namespace, record.name, record.uid, record.node) == ("shop", "web-1", "u-1", "node-1")
    assert record.owner == ("ReplicaSet", "web")
    assert record.key == pod_key(pod()) == "shop/web-1"


def test_a_pod_the_kubelet_has_not_seen_waits() -> None:
    """Without any status each container waits."""
    assert pod_record(pod()).waiting == (ImageWait("main", "nginx:1", Role.MAIN),)


@pytest.mark.parametrize(
    "reason",
    [None, "ContainerCreating", "PodInitializing", "ErrImagePull", "ImagePullBackOff", "InvalidImageName"],
)
def test_reasons_that_have_to_do_with_images(reason: str | None) -> None:
    """The kubelet's reason is kept."""
    record = pod_record(pod(status={"containerStatuses": [waits(reason)]}))

    assert record.waiting == (ImageWait("main", "nginx:1", Role.MAIN, reason),)


@pytest.mark.parametrize("reason", ["CreateContainerConfigError", "CreateContainerError", "CrashLoopBackOff"])
def test_reasons_that_come_after_the_image(reason: str) -> None:
    """A container that cannot be made for another reason has its image."""
    assert pod_record(pod(status={"containerStatuses": [waits(reason)]})).waiting == ()


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
    """Who runs, has ended or names its image had it."""
    assert pod_record(pod(status={"containerStatuses": [{"name": "main", **status}]})).waiting == ()


def test_a_failure_brings_its_message() -> None:
    """The registry's words come on one line, and not all of them."""
    status = waits("ErrImagePull", message="failed to pull:\n not found " + "x" * 1000)
    [wait] = pod_record(pod(status={"containerStatuses": [status]})).waiting

    assert wait.message
    assert wait.message.startswith("failed to pull: not found xxx")
    assert len(wait.message) == 300


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
    assert [(wait.name, wait.image, wait.role) for wait in pod_record(pod(spec)).waiting] == [
        ("model", "m:1", Role.VOLUME),
        ("init", "a", Role.INIT),
        ("side", "b", Role.SIDECAR),
        ("main", "nginx:1", Role.MAIN),
        ("debug", "d", Role.EPHEMERAL),
    ]


def test_an_image_volume_is_there_before_the_first_container() -> None:
    """Once a container was made, the volumes' images are on the node."""
    spec = {
        "initContainers": [{"name": "init", "image": "a"}],
        "volumes": [{"name": "model", "image": {"reference": "m:1"}}],
    }
    ended = {"name": "init", "state": {"terminated": {}}, "imageID": "sha256:1"}
    status = {"initContainerStatuses": [ended], "containerStatuses": [waits("PodInitializing")]}

    assert names(pod_record(pod(spec, status))) == ["main"]


def test_a_pod_that_is_being_deleted_waits_for_nothing() -> None:
    """Nothing is pulled for it any more."""
    assert pod_record(pod(deletionTimestamp="2026-01-01T00:00:00Z")).waiting == ()


def test_a_record_is_small() -> None:
    """Half a KiB for a pod with two images to come, beyond the strings that all its siblings share."""
    spec = {"initContainers": [{"name": "init", "image": "registry.example/tools/init:1.2.3"}]}
    status = {"containerStatuses": [waits("PodInitializing")], "initContainerStatuses": [waits("ErrImagePull", "init")]}
    record = pod_record(pod(spec, status, ownerReferences=[{"kind": "Job", "name": "j", "controller": True}]))

    own = [record, record.name, record.uid, record.owner, record.waiting, *record.waiting]
    assert sum(map(sys.getsizeof, own)) <= 512
    assert pod_record(pod(spec, status)).waiting[0].image is record.waiting[0].image
