"""Text from registries and runtimes, made fit to be shown to everybody: one line, not endless, no credentials.

Error texts repeat what a client sent: URLs with passwords or signatures in them, tokens, even whole
configurations. What looks like such a secret is replaced by `***`; a harmless word too many is a small price. All
patterns begin with what a secret begins with, and run over a text of bounded size in linear time.
"""

from __future__ import annotations

import re

LONGEST_MESSAGE_BYTES = 1024
READ_CHARACTERS = 4 * 1024
"""How much of a text is looked at; beyond LONGEST_MESSAGE_BYTES because redaction makes long texts short."""
HIDDEN = "***"

_NAMES = "authorization|token|secret|passwd|password|signature|credential|api[_-]?key|access[_-]?key"

_KEYS = rf"(?:auth|username|\w{{0,24}}(?:{_NAMES})\w{{0,24}})"

_URL = re.compile(r"://[^\s\"<>]+[^\s\"<>:,]")
_HARMLESS = frozenset({"ns", "scope", "service"})
"""What containerd itself asks registries and their token servers for."""

_PATTERNS = tuple(
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        # {"auth": "…"}, as it is in a docker configuration
        (rf"(\"{_KEYS}\"\s?:\s?\")(?:[^\"\\]|\\.)*", rf"\1{HIDDEN}"),
        # and in quotes once more, or several times: {\"auth\": \"…\"}, where a quote within has more backslashes
        (
            rf"((\\{{1,15}})\"{_KEYS}\2\"\s?:\s?\2\")(?:[^\"\\]++|\2\\++\"|\\++(?![\"\\]))*+",
            rf"\1{HIDDEN}",
        ),
        # password: …, as in YAML and in what Go prints of a structure; not the tag of an image that is called so
        (
            r"((?:x-registry-auth|(?<![\w./-])\w{0,24}(?:passw(?:or)?d|identitytoken))[\"']?\s?:\s?[\"']?)[^\s\"',;})\]]+",
            rf"\1{HIDDEN}",
        ),
        # Authorization: Bearer …
        # (not what containerd writes: "may require authorization: server message: …")
        (r"(authorization[\"']?\s?[:=]\s?[\"']?(?:bearer|basic|digest|token)\s)[^\s\"',;]+", rf"\1{HIDDEN}"),
        (r"(\b(?:bearer|basic)\s)[\w.~+/=-]{8,}", rf"\1{HIDDEN}"),
        # access_token=…
        (rf"((?:{_NAMES}|\bsig)[\w-]{{0,24}}[\"']?=[\"']?)[^\s\"'&,;]+", rf"\1{HIDDEN}"),
        # JSON in base64 or base64url: a JWT, a docker configuration
        (r"(?-i:eyJ[\w.+/=-]{8,})", HIDDEN),
        # Tokens that say by their start what they are: GitHub, GitLab, Docker, AWS
        (r"\b(?:gh[a-z]_|github_pat_|glpat-|dckr_[a-z]{1,8}_)[\w-]{10,}", HIDDEN),
        (r"\b(?-i:(?:AKIA|ASIA)[0-9A-Z]{12,})", HIDDEN),
    )
)


def redact(message: str) -> str:
    """The message on one line of at most 1 KiB in UTF-8, without what looks like a credential."""
    text = message[:READ_CHARACTERS]
    if len(message) > READ_CHARACTERS:
        # A word that is cut might be a credential that cannot be told as one any more.
        text = text[: max(text.rfind(" "), text.rfind("\n"), 0)]
    # `isprintable` is false for lone surrogates, too, which no encoder takes.
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    line = _URL.sub(_without_credentials, line)
    for pattern, replacement in _PATTERNS:
        line = pattern.sub(replacement, line)
    encoded = line.encode()
    if len(encoded) <= LONGEST_MESSAGE_BYTES:
        return line
    end = "…"
    return encoded[: LONGEST_MESSAGE_BYTES - len(end.encode())].decode(errors="ignore") + end


def _without_credentials(url: re.Match[str]) -> str:
    """A URL from its `://` on, without user and password, and without a query that may have a signature or a token."""
    parts = url[0].split("://")  # more than two when one URL is in the path of another
    for number, part in enumerate(parts):
        host, slash, path = part.partition("/")
        _, at, address = host.rpartition("@")
        if at:
            parts[number] = f"{HIDDEN}@{address}{slash}{path}"
    start, mark, query = "://".join(parts).partition("?")
    harmless = all(part.partition("=")[0] in _HARMLESS for part in query.split("&"))
    return f"{start}{mark}{query}" if harmless or not mark else f"{start}?{HIDDEN}"
