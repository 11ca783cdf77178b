"""Parsers of the texts of settings. Each returns the value, or raises ValueError for a text that is not allowed."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_network

LOG_LEVELS = ("debug", "info", "warn", "error")

_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)", re.ASCII)
_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_HOST = re.compile(r"(\*\.)?[a-z0-9_]([-a-z0-9_.]{0,251}[a-z0-9_])?")
_ADDRESS = re.compile(r"(\[[0-9a-fA-F:.%]+\]|[^:\[\]\s]*):(\d{1,5})", re.ASCII)


def duration_seconds(text: str, least: float, most: float) -> float:
    """Return the seconds of `500ms`, `1s`, `1m30s`, `30m`."""
    parts = _DURATION_PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(text)
    seconds: float = sum(float(number) * _UNIT_SECONDS[unit] for number, unit in parts)
    if not least <= seconds <= most:
        raise ValueError(text)
    return seconds


def duration(least: float, most: float) -> Callable[[str], float]:
    return lambda text: duration_seconds(text, least, most)


def count(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit()) or not least <= int(text) <= most:
            raise ValueError(text)
        return int(text)

    return read


def switch(text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise ValueError(text)
    return text.lower() == "true"


def address(text: str) -> str:
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match[2]) > 65535 or not (text.isascii() and text.isprintable()):
        raise ValueError(text)
    return text


def name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError(text)
    return text


def names(text: str) -> tuple[str, ...]:
    return tuple(name(part.strip()) for part in text.split(",") if part.strip())


def hosts(text: str) -> tuple[str, ...]:
    """Return host names without ports; `*` may stand alone or before a domain."""
    found = tuple(part.strip().lower() for part in text.split(",") if part.strip())
    if not all(each == "*" or (_HOST.fullmatch(each) and ".." not in each) for each in found):
        raise ValueError(text)
    return found


def level(text: str) -> str:
    if text.lower() not in LOG_LEVELS:
        raise ValueError(text)
    return text.lower()


def path(text: str) -> str:
    path = text.removeprefix("unix://")
    if not path.startswith("/") or not path.isprintable():
        raise ValueError(text)
    return path


def word(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", text):
        raise ValueError(text)
    return text


def networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Return networks; a single address is one too."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
