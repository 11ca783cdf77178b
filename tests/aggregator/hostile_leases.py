"""Leases as something else may write them, in the form in which the API server hands them out."""

from __future__ import annotations

from typing import Any

import orjson

from pulltrace.pulls.lease_format.annotations import NODE, PULL_PREFIX, RECENT
from tests.builders.leases import lease_object

GOOD: dict[str, Any] = {"v": 1, "phase": "downloading", "start": "2026-11-23T15:04:05.678Z", "total": 10}
KEY = PULL_PREFIX + "0123456789ab"
CROWD_BYTES = 16_000


def _pull(**fields: Any) -> dict[str, str]:
    return {KEY: orjson.dumps({**GOOD, **fields}).decode()}


ANNOTATIONS: dict[str, dict[str, str]] = {
    "junk": {KEY: "junk", RECENT: "\x00\x01", NODE: "<?xml version='1.0'?>"},
    "256 KiB under one key": {KEY: "x" * 250_000},
    "256 KiB under many keys": {f"{PULL_PREFIX}{number:012x}": "{" * 1000 for number in range(240)},
    "256 KiB of history": {RECENT: "[" + ",".join(['{"v":1}'] * 30_000) + "]"},
    "16 KiB of pulls": {f"{PULL_PREFIX}{number:012x}": '{"v":1}' for number in range(CROWD_BYTES // 37)},
    "16 KiB of history": {RECENT: "[" + ",".join(['{"v":1}'] * (CROWD_BYTES // 8)) + "]"},
    "deep lists": {KEY: "[" * 16_000, RECENT: "[" * 15_000},
    "deep objects": {KEY: '{"v":' * 3_000, RECENT: '[{"v":' * 2_500},
    "deep and well formed": {KEY: '{"v":' * 1_000 + "1" + "}" * 1_000},
    "deep in a field": {KEY: orjson.dumps(GOOD).decode()[:-1] + ',"target":' + "[" * 1_000 + "]" * 1_000 + "}"},
    "NaN": {KEY: '{"v":1,"phase":"downloading","start":"2026-11-23T15:04:05Z","total":NaN}'},
    "infinity": {KEY: '{"v":1,"phase":"downloading","start":"2026-11-23T15:04:05Z","left":1e999}'},
    "10^18 bytes": _pull(total=10**18),
    "10^18 bytes of a layer": _pull(layers="0123456789abq1000000000000000000"),
    "10^400 bytes of a layer": _pull(layers="0123456789abq1" + "0" * 400),
    "a begin in the year 9999": _pull(start="9999-12-31T23:59:59Z"),
    "an end in a thousand years": {RECENT: orjson.dumps([{**GOOD, "id": "0" * 12, "phase": "failed", "end": 3e10}]).decode()},
    "control characters": _pull(names=["ngi\x1b[31mnx\r\n"]),
    "right-to-left marks": _pull(repo=["\u202egnp.exe"]),
    "HTML in a name": _pull(names=["<script>alert(1)</script>"]),
    "HTML in a digest": _pull(target="<img src=x onerror=alert(1)>"),
    "HTML in a layer": _pull(layers="<b>0123456789abq1</b>"),
}  # fmt: skip


def lease(name: str, annotations: dict[str, str], version: int = 1, *, renew_time: str = "9999-12-31T23:59:59.999999Z") -> Any:  # fmt: skip
    """Return a Lease of the API, by default renewed in the future."""
    return lease_object(
        name, annotations, renew_time=renew_time, duration_seconds=2**31 - 1, resourceVersion=str(version)
    )
