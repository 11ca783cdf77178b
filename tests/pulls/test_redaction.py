"""Credentials in error texts: whatever their shape, they do not get through."""

from __future__ import annotations

import base64
import json
import string
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulltrace.pulls.redaction import LONGEST_MESSAGE_BYTES, LONGEST_NAME_CHARACTERS, redact, redact_name
from tests.fuzz import secret_names
from tests.fuzz.secrets import SHAPES

WORD = string.ascii_letters + string.digits
SECRETS = st.text(WORD + "._~+-", min_size=12, max_size=60).map(lambda text: f"Zq9{text}")
"""Each starts with letters that no other part of a text has."""


def jwt(secret: str) -> str:
    parts = ({"alg": "RS256", "typ": "JWT"}, {"sub": secret})
    head, body = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    return f"{head}.{body}.{secret}"


def configuration(secret: str) -> str:
    return json.dumps({"auths": {"registry.test": {"username": "me", "password": secret, "auth": secret}}})


@settings(max_examples=200)
@given(shape=st.sampled_from(SHAPES), secret=SECRETS)
def test_no_secret_survives(shape: str, secret: str) -> None:
    """In a URL, a header, a query, a configuration or as a token of its own: it is gone, and the rest stays."""
    text = f"failed to pull: {shape.format(secret)} (the end)"

    assert secret[:8] not in redact(text)
    assert redact(text).startswith("failed to pull: ")


@given(secret=SECRETS)
def test_what_is_encoded_does_not_survive(secret: str) -> None:
    """Nor does a JWT, or a docker configuration in plain, in quotes, or in base64."""
    encoded = base64.b64encode(configuration(secret).encode()).decode()
    forms = (jwt(secret), configuration(secret), json.dumps(configuration(secret)), encoded)
    for form in forms:
        found = redact(f"unauthorized: {form} was refused")

        assert secret[:8] not in found
        assert encoded[20:40] not in found
        assert found.startswith("unauthorized: ")


@pytest.mark.parametrize("start", ["ghp_", "gho_", "github_pat_", "glpat-", "dckr_pat_", "AKIA", "ASIA"])
def test_tokens_known_by_their_start(start: str) -> None:
    """They need nothing before them."""
    assert redact(f"login with {start}{'Z9' * 10} failed") == "login with *** failed"


@given(password=st.text(min_size=8).map(lambda text: "Zq9" + text))
def test_any_password_in_json(password: str) -> None:
    """Quotes and backslashes in a password do not end it."""
    text = redact("config " + json.dumps({"password": password, "email": "me"}))

    assert "Zq9" not in text
    assert text == 'config {"password": "***", "email": "me"}' or len(password) > 500


@given(text=st.text(), times=st.integers(1, 200))
def test_one_line_and_not_endless(text: str, times: int) -> None:
    """Any text becomes one printable line of at most 1 KiB, which redaction does not change again."""
    once = redact(text * times)

    assert len(once.encode()) <= LONGEST_MESSAGE_BYTES
    assert once == "" or once.isprintable()
    assert redact(once) == once


@pytest.mark.parametrize(
    "text",
    [
        'failed to resolve reference "asia-northeast1-docker.pkg.dev/p/app:1": not found',
        "failed to fetch anonymous token: unexpected status from GET request: 401 Unauthorized",
        "no basic auth credentials",
        f"unexpected commit digest sha256:{'a' * 64}, expected sha256:{'b' * 64}: failed precondition",
        'Head "http://mirror.test:5000/v2/app/manifests/1?ns=registry.test": EOF',
        "GET request to https://auth.docker.io/token?scope=repository%3Ax%3Apull&service=registry.docker.io: 401 Unauthorized",
        f"registry.test/app@sha256:{'a' * 64}: not found",
        "repository does not exist or may require authorization: server message: insufficient_scope: authorization failed",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    """Names, digests and the registry's words are what the message is for."""
    assert redact(text) == text


def test_a_long_text_is_cut_at_a_word() -> None:
    """The cut is between words: no pattern matches half a secret."""
    text = "x " * 100 + "https://user:" + "s" * 10_000 + "@host"

    assert redact(text) == ("x " * 100).strip()
    assert redact("s" * 10_000) == ""
    assert redact("ß" * 600) == "ß" * 510 + "…"


@pytest.mark.parametrize(
    "evil",
    ["://", '"', "token", "eyJ", '"token', "a@", "authorization: ", '\\"auth\\":\\"', '"\\', "://a?b ", "bearer ", "="],
)
def test_hostile_texts_take_no_time(evil: str) -> None:
    """No repetition makes a pattern run away."""
    began = time.process_time()
    redact(evil * 10_000)
    redact(f" {evil * 10_000}"[:4000])

    assert time.process_time() - began < 0.25


@settings(max_examples=300)
@given(shape=st.sampled_from(secret_names.SHAPES), secret=SECRETS)
def test_no_secret_survives_in_a_name(shape: str, secret: str) -> None:
    """A name has no user, password, query or fragment, and stays as it is from then on."""
    name = redact_name(shape.format(secret))

    assert secret[:8] not in name
    assert secret[-8:] not in name
    assert redact_name(name) == name
    assert len(name) <= LONGEST_NAME_CHARACTERS


@settings(max_examples=300)
@given(shape=st.sampled_from(secret_names.SHAPES), secret=SECRETS)
def test_a_message_has_a_name_without_its_secret(shape: str, secret: str) -> None:
    """The kubelet repeats the name in quotes; the message still names the image as its row does."""
    name = shape.format(secret)
    text = redact(f"Failed to apply default image tag {json.dumps(name)}: invalid reference format")

    assert secret[:8] not in text
    assert len(name) > 1000 or "token" in name or json.dumps(redact_name(name)) in text


@given(shape=st.sampled_from(secret_names.SHAPES), secret=st.text(WORD, min_size=12).map(lambda text: f"Zq9{text}"))
def test_a_name_without_quotes(shape: str, secret: str) -> None:
    """One word needs no quotes."""
    name = shape.format(secret)

    assert (
        " " in name or "?" in name or "#" in name or secret[:8] not in redact(f"reading manifest 1 in {name}: denied")
    )


@pytest.mark.parametrize("name", secret_names.HARMLESS)
def test_a_harmless_name_stays(name: str) -> None:
    """A digest is no host, a port is no password, and an invalid name is shown as it was written."""
    assert redact_name(name) == name
    assert redact(f'Failed to pull image "{name}": not found') == f'Failed to pull image "{name}": not found'


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("https://user:hunter2@reg/app", "https://***@reg/app"),
        ("user:hunter2@reg.example/app:1", "***@reg.example/app:1"),
        (f"hunter2@reg:5000/app@{secret_names.DIGEST}", f"***@reg:5000/app@{secret_names.DIGEST}"),
        ("reg/app?token=hunter2", "reg/app?***"),
        ("reg/app@https://reg/app", "***@https://reg/app"),
    ],
)
def test_what_is_left_of_a_name(name: str, shown: str) -> None:
    """Registry, repository, tag and digest can be read."""
    assert redact_name(name) == shown


@given(st.text())
def test_any_name_is_read(name: str) -> None:
    """Users write names."""
    once = redact_name(name)

    assert redact_name(once) == once


@pytest.mark.parametrize(
    "evil", ["@", "%40", "%25", f"@{secret_names.DIGEST}", "?", "a:b@", "://", "@sha256:aaaaaa", '"', "#?"]
)
def test_hostile_names_take_no_time(evil: str) -> None:
    """A Pod may name an image of a MiB."""
    began = time.process_time()
    redact_name(evil * (2**20 // len(evil)))
    redact(f'"{evil * 1000}')

    assert time.process_time() - began < 0.25
