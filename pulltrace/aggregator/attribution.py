"""Which Events count for a pod. Pure.

Anybody who may create Events in a namespace can write what a kubelet would. So an Event counts only for the one pod
that it names by namespace, name and UID, from the kubelet of the node that the pod is on, at a possible time. What is
left to a forger are the pods of that namespace; and a pod's status overrides what Events say of it.

NOTE: times of Events are of the node's clock. Who came first is decided by the order in which the API server tells of
them, so a forged time hides nothing; the limits here only refuse what no clock in order can have said.
"""

from __future__ import annotations

import math

from pulltrace.kube.events import EventRecord
from pulltrace.kube.pods import PodRecord

CLOCK_SECONDS = 900.0
"""How far two clocks may be apart in a cluster that works: ten minutes are survived, and a margin."""
SECOND = 2.0
"""Times of Events and of pods are cut to the second."""


def names(event: EventRecord, pod: PodRecord) -> bool:
    """Whether an Event is about this pod and no other. The kubelet knows static pods by the hash of their file."""
    uids = {pod.uid, pod.config_hash} - {None}
    return (event.namespace, event.pod) == (pod.namespace, pod.name) and event.pod_uid in uids


def counts(event: EventRecord, pod: PodRecord) -> bool:
    """Whether an Event that names a pod may be believed: it is from its node, and not older than the pod."""
    if not pod.node or event.node != pod.node:
        return False
    if pod.started_at is not None:  # the same clock
        return event.at >= pod.started_at - SECOND
    return pod.created_at is None or event.at >= pod.created_at - CLOCK_SECONDS


def is_possible(event: EventRecord, *clocks: float | None) -> bool:
    """Whether an Event is not from the future by all clocks that are known: its node's, and this machine's."""
    return event.at <= max((clock for clock in clocks if clock is not None), default=math.inf) + CLOCK_SECONDS
