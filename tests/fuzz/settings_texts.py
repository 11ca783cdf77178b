"""Flags and PULLTRACE_* variables."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from pulltrace.settings.flags import AgentSettings, AggregatorSettings, DemoSettings, StandaloneSettings
from pulltrace.settings.parser import SettingsError, read
from tests.fuzz.properties import is_line, json_of

KINDS: dict[str, type[Any]] = {
    "agent": AgentSettings,
    "aggregator": AggregatorSettings,
    "standalone": StandaloneSettings,
    "demo": DemoSettings,
}
PROBLEM_CHARACTERS = 500


def check(data: bytes) -> None:
    """Read settings (`kind`, `arguments`, `environ` of a JSON object), or refuse them on one line with the setting, the
    value and the allowed values.
    """
    given = json_of(data)
    if not isinstance(given, dict) or not isinstance(kind := given.get("kind"), str) or kind not in KINDS:
        return
    arguments, environ = given.get("arguments"), given.get("environ")
    if not isinstance(arguments, list) or not isinstance(environ, dict):
        return
    arguments = [each for each in arguments if isinstance(each, str) and each != "--help" and not each.startswith("-h")]
    environ = {key: value for key, value in environ.items() if isinstance(value, str)}
    try:
        settings = read(KINDS[kind], arguments, environ, "pulltrace")
    except SettingsError as error:
        is_line(str(error), PROBLEM_CHARACTERS)
        return
    for name, value in asdict(settings).items():
        assert value is not None or name == "report_interval_seconds"
        assert not isinstance(value, float) or (math.isfinite(value) and 0 <= value <= 24 * 3600)
        if isinstance(value, str) and name != "kubeconfig":
            assert value == "" or value.isprintable()
            assert value.isascii() or name == "containerd_socket"
