"""Texts of registries, runtimes and pods' authors: failures with secrets in them, and names of images."""

from __future__ import annotations

from pathlib import Path

from pulltrace.pulls.failures import Reason, classify, root_cause
from pulltrace.pulls.redaction import LONGEST_MESSAGE_BYTES, redact
from pulltrace.pulls.references import full_name, parse_reference, short_name

FAILURES = (Path(__file__).parents[1] / "pulls" / "failures.tsv").read_bytes().splitlines()
SECRET = "Zq9"
"""The start of every secret in the samples; no other text has it."""


def is_message(message: str) -> None:
    """Check for one printable line of at most 1 KiB that redaction does not change, unless it was cut (perhaps within a
    harmless URL).
    """
    assert isinstance(message, str)
    assert message == "" or message.isprintable()
    assert len(message.encode()) <= LONGEST_MESSAGE_BYTES
    assert message.endswith("…") or redact(message) == message


def check_failure(data: bytes) -> None:
    """Give any text a kind of failure and one printable line of at most 1 KiB, which stays as it is."""
    text = data.decode("utf-8", "surrogateescape")
    message = redact(text)
    is_message(message)
    for word in (None, "ErrImagePull", text[:20]):
        assert classify(word, text) in Reason
        assert classify(word, message) in Reason
    assert root_cause(text) in text
    assert root_cause(message) in message


def check_secret(data: bytes) -> None:
    """Leave nothing of a secret, wherever in a text it is."""
    text = data.decode("utf-8", "surrogateescape")
    message = redact(text)
    is_message(message)
    assert SECRET not in message


def check_reference(data: bytes) -> None:
    """Check a full form: it is its own full form, means the same repository, and is no longer than necessary."""
    name = data.decode("utf-8", "surrogateescape")
    full = full_name(name)
    assert full_name(full) == full
    assert parse_reference(full) == parse_reference(name)
    assert len(full) <= len(name) + len("docker.io/library/:latest")
    assert len(parse_reference(name).source) <= len(full)
    assert len(short_name(full)) <= len(full)
