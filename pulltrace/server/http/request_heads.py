"""Request heads (request line and headers) that every server reads in the same way.

A proxy before this server and the server itself must agree where a request ends; otherwise one client puts a request into
the connection of another (request smuggling). h11 is lenient: it takes bare line feeds, folded lines, and a length beside chunks.
So `StrictConnection` checks the bytes of each head before h11 reads them, and refuses ambiguous ones. A request with a body is the
last one on its connection: bytes after a body are never read as a request.
"""

from __future__ import annotations

import re
from typing import Any

import h11

MAX_HEAD_BYTES = 16 * 1024
"""Of a request: the path, the query and all headers."""

_END = b"\r\n\r\n"
_BAD_LINE_ENDS = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)|\n[ \t]|\x00")
_VERSION = re.compile(rb"HTTP/[0-9]\.[0-9]")
_VERSION_WITHOUT_HOST = b"HTTP/1.0"
_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9_.])?)(?::[0-9]{0,5})?")

BAD_LINES = "Its lines have to end with CR LF, and none may be folded or have a NUL or a lone CR."
BAD_HOST = "It needs one Host header, with a name or an address and no more than a port."
BAD_LENGTH = "Content-Length may appear once, as one decimal number."
BAD_CODING = "Transfer-Encoding may appear once, as chunked, in HTTP/1.1, and without a Content-Length."


class BadHead(h11.RemoteProtocolError):
    """A head that another server may read differently; the message is a sentence for the client."""


class StrictConnection(h11.Connection):
    """h11's connection, which refuses large and ambiguous heads."""

    def next_event(self) -> Any:
        """Return h11's next event. Raises BadHead, and h11's RemoteProtocolError with the status 431."""
        if self.their_state is not h11.IDLE:
            return super().next_event()
        received, _ = self.trailing_data
        head, end, _ = received.partition(_END)
        # NOTE: h11 has no limit for a head that comes at once: it parsed 256 KiB of short lines in 0.13 s.
        if len(head) > MAX_HEAD_BYTES:
            raise h11.RemoteProtocolError("head too large", error_status_hint=431)
        if problem := flaw(head, complete=bool(end)):
            raise BadHead(problem, error_status_hint=400)
        event = super().next_event()
        if isinstance(event, h11.Request) and has_body(head):
            # uvicorn closes the connection after the answer to a request that asks for it.
            headers = [*event.headers.raw_items(), (b"connection", b"close")]
            return h11.Request(
                method=event.method, headers=headers, target=event.target, http_version=event.http_version
            )
        return event


def flaw(head: bytes, *, complete: bool) -> str | None:
    """Return the sentence that explains why the head is ambiguous; None while it is not.

    A complete head ends before the empty line.
    """
    if _BAD_LINE_ENDS.search(head + b"\r\n" if complete else head):
        return BAD_LINES
    if not complete:
        return None
    version = head.partition(b"\r\n")[0].rpartition(b" ")[2]
    if not _VERSION.fullmatch(version):
        return None  # h11 refuses it
    hosts, lengths, codings = (_values(head, name) for name in (b"host", b"content-length", b"transfer-encoding"))
    if len(hosts) > 1 or not all(map(_HOST.fullmatch, hosts)) or not (hosts or version == _VERSION_WITHOUT_HOST):
        return BAD_HOST
    if len(lengths) > 1 or not all(map(bytes.isdigit, lengths)):
        return BAD_LENGTH
    if codings and (lengths or version != b"HTTP/1.1" or [each.lower() for each in codings] != [b"chunked"]):
        return BAD_CODING
    return None


def has_body(head: bytes) -> bool:
    """Return whether a body follows a head without a flaw."""
    return bool(_values(head, b"transfer-encoding")) or any(map(int, _values(head, b"content-length")))


def _values(head: bytes, name: bytes) -> list[bytes]:
    """Return the values of all headers of this name."""
    found = []
    for line in head.split(b"\r\n")[1:]:
        line_name, _, value = line.partition(b":")
        if line_name.strip().lower() == name:
            found.append(value.strip(b" \t"))
    return found
