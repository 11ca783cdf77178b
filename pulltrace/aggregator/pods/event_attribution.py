"""Which Events count for a pod. Pure.

Every author of Events in a namespace can write what a kubelet writes. So an Event counts only for the one pod that it
names by namespace, name and UID, from the kubelet of the pod's node, at a possible time. A forger can still reach pods
of the same namespace. A pod's status overrides Events.

NOTE: an Event's time is from its node's clock. The API server's order decides which Event is newer, so a forged time
hides nothing. The limits here refuse only times that no working clock can show.
"""

from __future__ import annotations

import math

from pulltrace.kube.resources.kubelet_events import KubeletEvent
from pulltrace.kube.resources.pending_pods import PodRecord

CLOCK_SKEW_SECONDS = 900.0
"""Clocks of a working cluster may be this far apart: ten minutes, and a margin."""
ROUNDING_SECONDS = 2.0
"""Times of Events and of pods are cut to the second."""


def names_pod(event: KubeletEvent, pod: PodRecord) -> bool:
    """Return whether an Event names this pod. The kubelet names static pods by the hash of their file."""
    uids = {pod.uid, pod.config_hash} - {None}
    return (event.namespace, event.pod) == (pod.namespace, pod.name) and event.pod_uid in uids


def is_credible(event: KubeletEvent, pod: PodRecord) -> bool:
    """Return whether an Event that names a pod is from the pod's node and not older than the pod."""
    if not pod.node or event.node != pod.node:
        return False
    if pod.started_at is not None:  # the same clock
        return event.at >= pod.started_at - ROUNDING_SECONDS
    return pod.created_at is None or event.at >= pod.created_at - CLOCK_SKEW_SECONDS


def is_possible(event: KubeletEvent, *clocks: float | None) -> bool:
    """Return whether at least one known clock does not place an Event in the future: its node's, or this machine's."""
    return event.at <= max((clock for clock in clocks if clock is not None), default=math.inf) + CLOCK_SKEW_SECONDS
