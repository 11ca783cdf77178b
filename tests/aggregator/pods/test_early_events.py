"""Events that come before their pods, and what is kept of Events at all: bounded, and shared fairly by namespaces."""

from __future__ import annotations

from dataclasses import replace

from pulltrace.aggregator.pods.early_events import HOLD_SECONDS, MAX_BYTES, EarlyEvents
from pulltrace.aggregator.pods.image_pull_status import ImagePullStatus
from pulltrace.aggregator.pods.namespace_budget import NamespaceBudget
from pulltrace.aggregator.pods.pod_index import PodIndex
from pulltrace.kube.resources.kubelet_events import EventKind, KubeletEvent
from pulltrace.kube.resources.pending_pods import PodRecord
from tests.builders.events import kubelet_event
from tests.builders.pods import pod
from tests.builders.pulls import START

INVENTED = 50_000


def forged(number: int, message: str = "x" * 1024) -> KubeletEvent:
    """Return an Event of a pod that does not exist."""
    event = kubelet_event(f"p{number}", "nginx:1", START, kind=EventKind.FAILED, message=message)
    return replace(event, namespace="evil", pod_uid=f"invented-{number}")


def test_events_are_given_back_in_their_order() -> None:
    """The Events of one pod, once."""
    early = EarlyEvents()
    events = [kubelet_event("web", "a", START + at) for at in (1, 3, 2)]
    for event in (*events, kubelet_event("db", "b", START)):
        early.add(event, 0)

    assert early.pop("shop/web", 1) == events
    assert (early.pop("shop/web", 1), len(early)) == ([], 1)


def test_events_are_not_kept_for_long() -> None:
    """The pod would be known by then."""
    early = EarlyEvents()
    early.add(kubelet_event("web", "a", START), 0)
    early.add(kubelet_event("web", "a", START + 1), 1)

    assert len(early.pop("shop/web", HOLD_SECONDS)) == 1
    assert (len(early), early.size_bytes) == (0, 0)


def test_a_flood_in_one_namespace_drives_out_its_own() -> None:
    """Others find what is theirs, and all together stay within the budget."""
    early = EarlyEvents()
    early.add(kubelet_event("web", "a", START), 0)
    for number in range(INVENTED):
        early.add(forged(number), 0)

    assert early.size_bytes <= MAX_BYTES
    assert len(early) < INVENTED / 10
    assert len(early.pop("shop/web", 0)) == 1


def test_the_largest_namespace_loses_entries() -> None:
    """Its oldest entry goes first; what alone is too large goes itself."""
    share = NamespaceBudget[str](10)

    assert [share.put("a", "1", 4), share.put("a", "2", 4), share.put("b", "3", 2)] == [[], [], []]
    assert share.put("b", "4", 2) == ["1"]
    assert share.put("c", "5", 11) == ["5"]
    assert share.put("a", "2", 3) == []
    assert share.total == 7
    share.remove("a", "2")
    share.remove("a", "2")
    assert share.total == 4


def test_many_namespaces_keep_their_share() -> None:
    """The largest namespace always loses an entry, and outdated sizes are dropped."""
    share = NamespaceBudget[int](1000)
    kept: dict[int, tuple[str, int]] = {}
    for number in range(5000):
        namespace, size = f"n{number * number % 37}", 1 + number % 13
        taken: dict[str, int] = {}
        for name, each in (*kept.values(), (namespace, size)):
            taken[name] = taken.get(name, 0) + each
        kept[number] = namespace, size
        for dropped in share.put(namespace, number, size):
            name, gone = kept.pop(dropped)
            assert taken[name] == max(taken.values())
            taken[name] -= gone
        if number % 5 == 0 and number - 20 in kept:
            share.remove(kept.pop(number - 20)[0], number - 20)

    assert share.total == sum(size for _, size in kept.values()) <= 1000
    assert len(share._heap) <= 2 * 37


def test_invented_uids_do_not_drive_out_what_is_known() -> None:
    """Fifty thousand of them, and more, leave a real pod its failure, and its next Events count."""
    known = PodIndex()
    web = pod("web", "nginx:1")
    known.put(web, 0)
    failed = kubelet_event("web", "nginx:1", START, kind=EventKind.FAILED, message='Failed to pull image "nginx:1": no')
    known.apply_event(failed, 0)
    kept = known.size_bytes
    for number in range(INVENTED):
        known.apply_event(forged(number), 0)
        known.apply_event(replace(forged(0), namespace="shop", pod="web", pod_uid=f"invented-{number}"), 0)
    known.apply_event(kubelet_event("web", "nginx:1", START + 9, kind=EventKind.BACK_OFF), 0)

    found = known.get("shop/web")
    assert found is not None
    assert found.events["c0"].message == failed.message
    assert known.size_bytes <= kept + MAX_BYTES


def test_nothing_is_kept_of_images_that_a_pod_does_not_wait_for() -> None:
    """Authors of Events can invent containers, too."""
    known = PodIndex()
    known.put(pod("web", "i0", "i1", "i2"), 0)
    for number in range(1000):
        known.apply_event(kubelet_event("web", "x", START, container=f"c{number}"), 0)
        known.apply_event(kubelet_event("web", f"i{number}", START, container=None), 0)

    found = known.get("shop/web")
    assert found is not None
    assert list(found.events) == ["c0", "c1", "c2"]


def test_what_is_kept_of_known_pods_is_bounded() -> None:
    """The namespace with the most loses entries, and takes no more than is left to it."""
    known = PodIndex(max_status_bytes=20_000)
    pods = [replace(pod(f"p{number}", "nginx:1"), namespace="evil") for number in range(100)]
    for each in (pod("web", "nginx:1"), *pods):
        known.put(each, 0)
    known.apply_event(kubelet_event("web", "nginx:1", START, kind=EventKind.FAILED, message="real"), 0)
    for each in pods:
        known.apply_event(of(each, "\u00e9" * 1000), 0)

    web, last = known.get("shop/web"), known.get("evil/p99")
    assert web is not None
    assert last is not None
    assert (web.events["c0"].message, last.events["c0"].message[:1]) == ("real", "\u00e9")
    assert sum(bool(pod.events) for pod in known.on_node("node-1").values()) < 10
    assert known.size_bytes <= 20_000
    for each in pods:
        known.remove(each.key)
    assert known.size_bytes == ImagePullStatus(message="real").size_bytes


def test_events_that_came_first_count_when_the_pod_comes() -> None:
    """Only those that name it and that its node can have written."""
    known = PodIndex()
    known.apply_event(replace(kubelet_event("web", "nginx:1", START + 2), node="node-2"), 0)
    known.apply_event(kubelet_event("web", "nginx:1", START + 1), 0)
    known.apply_event(replace(kubelet_event("web", "nginx:1", START + 3), pod_uid="other"), 0)
    known.put(pod("web", "nginx:1"), 1)

    found = known.get("shop/web")
    assert found is not None
    assert found.pending[0].requested_at == START + 1


def of(record: PodRecord, message: str) -> KubeletEvent:
    event = kubelet_event(record.name, "nginx:1", START, kind=EventKind.FAILED, message=message)
    return replace(event, namespace=record.namespace)


def test_pod_with_more_images_than_are_kept_has_not_all_of_them() -> None:
    """Events can only speak of the images that are kept."""
    known = PodIndex()
    for name, more in (("web", 0), ("db", 1)):
        known.put(replace(pod(name, "nginx:1"), more_waiting=more), 0)
        known.apply_event(kubelet_event(name, "nginx:1", START, kind=EventKind.PULLED), 0)
    found = {name: known.get(f"shop/{name}") for name in ("web", "db")}

    assert {name: one.all_pulled for name, one in found.items() if one is not None} == {"web": True, "db": False}
