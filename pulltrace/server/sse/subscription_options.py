"""What a viewer of the live stream asks for. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from pulltrace.server.json.filters import NO_FILTERS, Filters


@dataclass(frozen=True, slots=True)
class Options:
    """Viewers with equal options are sent the same bytes."""

    layers: bool = False
    """Events of single layers too."""
    pods: bool = False
    """Pods beside the pulls."""
    filters: Filters = NO_FILTERS
    chunked: bool = True
    """HTTP/1.1 marks where an answer of unknown length ends; HTTP/1.0, which some proxies speak, does not."""

    def framed(self, text: bytes) -> bytes:
        """The text as it goes over the connection."""
        return b"".join((b"%x\r\n" % len(text), text, b"\r\n")) if self.chunked and text else text

    @property
    def end(self) -> bytes:
        """What follows after the last text."""
        return b"0\r\n\r\n" if self.chunked else b""
