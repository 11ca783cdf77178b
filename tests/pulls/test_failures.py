"""The failure reason of a message: messages of containerd 1.6 and 2.1, of registries and of the kubelet, word for word."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pulltrace.pulls.failures import Reason, advice, classify, retry_seconds, root_cause
from pulltrace.pulls.redaction import redact


def texts() -> list[tuple[Reason, str]]:
    """Reasons and messages; a message that two versions share is listed once."""
    lines = (Path(__file__).parent / "failures.tsv").read_text(encoding="utf-8").splitlines()
    rows = (line.split("\t") for line in lines if not line.startswith("#"))
    return list(dict.fromkeys((Reason(reason), text.replace("\\n", "\n")) for reason, _, text in rows))


TEXTS = texts()
NOT_FOUND = (
    'rpc error: code = NotFound desc = failed to pull and unpack image "docker.io/library/nope:1": '
    'failed to resolve reference "docker.io/library/nope:1": docker.io/library/nope:1: not found'
)


@pytest.mark.parametrize(("reason", "text"), TEXTS)
def test_what_kind_of_failure_it_is(reason: Reason, text: str) -> None:
    """In a status, after a back-off, in an Event, and after redaction."""
    forms = (
        text,
        f'Back-off pulling image "registry.test/team/app:1": ErrImagePull: {text}',
        f'Failed to pull image "registry.test/team/app:1": {text}',
        redact(text),
    )
    assert [classify("ErrImagePull", form) for form in forms] == [reason] * 4


@pytest.mark.parametrize(
    ("word", "message", "reason"),
    [
        ("InvalidImageName", "", Reason.INVALID_NAME),
        ("ErrImageNeverPull", "", Reason.NEVER_PULL),
        ("RegistryUnavailable", "image pull failed for x because the registry is unavailable", Reason.REGISTRY_UNREACHABLE),
        ("RegistryUnavailable", "something else", Reason.REGISTRY_UNREACHABLE),
        ("RegistryUnavailable", "the registry is unavailable: 429 Too Many Requests", Reason.RATE_LIMITED),
        ("SignatureValidationFailed", "image pull failed for x because the signature validation failed", Reason.UNKNOWN),
        ("ErrImagePull", "", Reason.UNKNOWN),
        (None, NOT_FOUND, Reason.NOT_FOUND),
        (None, "", Reason.UNKNOWN),
    ],
)  # fmt: skip
def test_the_kubelets_word_counts(word: str | None, message: str, reason: Reason) -> None:
    """When it implies the failure reason, or when the message has nothing more."""
    assert classify(word, message) is reason


@pytest.mark.parametrize("name", ["registry.test/x509/tls:1", "registry.test/unauthorized:1", "docker.io/denied/eof:1"])
def test_names_are_no_reasons(name: str) -> None:
    """An image may be called anything."""
    text = NOT_FOUND.replace("docker.io/library/nope:1", name)
    head = (
        f"unexpected status from HEAD request to https://registry.test/v2/{name}/manifests/1: 500 Internal Server Error"
    )

    assert classify("ErrImagePull", text) is Reason.NOT_FOUND
    assert classify("ErrImagePull", head) is Reason.REGISTRY_UNREACHABLE


@pytest.mark.parametrize("name", ["nope:1", "e", 'a\\"b'])
def test_one_root_cause_in_all_forms(name: str) -> None:
    """Status, back-off and Event have the same cause; a back-off of an older kubelet has none."""
    for form in (
        NOT_FOUND,
        f'Back-off pulling image "{name}": ErrImagePull: {NOT_FOUND}',
        f'Back-off pulling image "{name}": RegistryUnavailable: {NOT_FOUND}',
        f'Failed to pull image "{name}": {NOT_FOUND}',
    ):
        assert root_cause(form) == NOT_FOUND
    assert root_cause(f'Back-off pulling image "{name}"') == ""
    assert root_cause("Back-off pulling image") == "Back-off pulling image"


def test_every_reason_has_a_message() -> None:
    """Every failure reason has a real message."""
    assert {reason for reason, _ in TEXTS} == set(Reason)


def test_every_reason_has_an_advice() -> None:
    """One line, and another one for each."""
    lines = [advice(reason) for reason in Reason]

    assert len(set(lines)) == len(Reason)
    assert all(line.isprintable() and 20 < len(line) < 200 for line in lines)


def test_the_kubelets_pauses() -> None:
    """10 s, doubled with each try, 300 s at most."""
    assert [retry_seconds(tries) for tries in (0, 1, 2, 3, 4, 5, 6, 7, 10**9)] == [
        10,
        10,
        20,
        40,
        80,
        160,
        300,
        300,
        300,
    ]


@pytest.mark.parametrize("evil", ['"', '"\\', '"a/b"', 'Back-off pulling image "\\', "https://", " "])
def test_hostile_texts_take_no_time(evil: str) -> None:
    """No repetition makes a pattern run away."""
    began = time.process_time()
    for text in (evil * 10_000, f"Failed to pull image {evil * 10_000}"):
        classify(None, text)
        root_cause(text)

    assert time.process_time() - began < 0.25
