"""Credentials removed from the texts of registries, runtimes and pods, and their length limited. Pure.

Error messages repeat the client's request: URLs with passwords or signatures, tokens, whole configurations. `***`
replaces every text that looks like a secret, and sometimes a harmless word. All patterns start with the beginning of a
secret, and run over a text of bounded size in linear time.

Users write image names, sometimes with a user and a password. `redact_name` removes them where a name enters the
program: from a Pod, an Event, a Lease, containerd. Equal names stay equal, and a valid name of a registry stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from pulltrace.pulls.model import NodeReport, Pull

LONGEST_NAME_CHARACTERS = 1024
"""Twice the length of the longest valid host, repository, tag and digest together."""
LONGEST_MESSAGE_BYTES = 1024
READ_CHARACTERS = 4 * 1024
"""The part of a text that is read: more than LONGEST_MESSAGE_BYTES, because redaction shortens texts."""
HIDDEN = "***"
ROUNDS = 5
"""More than any known text needs."""

_NAMES = "authorization|token|secret|passwd|password|signature|credential|api[_-]?key|access[_-]?key"

_KEYS = rf"(?:auth|username|\w{{0,24}}(?:{_NAMES})\w{{0,24}})"

_URL = re.compile(r"://[^\s\"<>]+[^\s\"<>:,]")
_HARMLESS = frozenset({"ns", "scope", "service"})
"""Query keys of containerd's own requests to registries and token servers."""

_DIGEST = r"@(?:sha(?:256|384|512)|blake3):[0-9a-f]{6,}"
"""The digest at the end of a name; no port has six digits."""
_USER = re.compile(rf"(?s:.*)(?:(?!{_DIGEST}(?![\w/@%]))@|%(?:25){{0,9}}40)", re.IGNORECASE)
"""All up to the last `@`, also as `%40` or `%2540`. The `@` of a digest does not count."""
_SCHEME = re.compile(r"[^\w\s\"]{0,4}[a-z][a-z0-9+.-]{0,15}://", re.IGNORECASE)
_QUERY = re.compile(rf"([?#])(.+?)((?:{_DIGEST})?)$", re.IGNORECASE | re.DOTALL)
_PLAIN_NAME = re.compile(rf"[\w.:/\[\]-]*(?:{_DIGEST})?", re.ASCII | re.IGNORECASE)
"""A name without user and query. Every valid name of a registry is one."""
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*+)("?)')  # or to the end, so that an open quote is searched once only
_WORD = re.compile(r'[^\s"]+')

_PATTERNS = tuple(
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        # {"auth": "…"}, as in a docker configuration
        (rf"(\"{_KEYS}\"\s?:\s?\")(?:[^\"\\]|\\.)*", rf"\1{HIDDEN}"),
        # quoted once or several times: {\"auth\": \"…\"}; a quote within has more backslashes
        (
            rf"((\\{{1,15}})\"{_KEYS}\2\"\s?:\s?\2\")(?:[^\"\\]++|\2\\++\"|\\++(?![\"\\]))*+",
            rf"\1{HIDDEN}",
        ),
        # password: …, as in YAML and in Go's text of a structure; not the tag of an image with such a name
        (
            r"((?:x-registry-auth|(?<![\w./-])\w{0,24}(?:passw(?:or)?d|identitytoken))[\"']?\s?:\s?[\"']?)[^\s\"',;})\]]+",
            rf"\1{HIDDEN}",
        ),
        # Authorization: Bearer …; not containerd's "may require authorization: server message: …"
        (r"(authorization[\"']?\s?[:=]\s?[\"']?(?:bearer|basic|digest|token)\s)[^\s\"',;]+", rf"\1{HIDDEN}"),
        (r"(\b(?:bearer|basic)\s)[\w.~+/=-]{8,}", rf"\1{HIDDEN}"),
        # access_token=…
        (rf"((?:{_NAMES}|\bsig)[\w-]{{0,24}}[\"']?=[\"']?)[^\s\"'&,;]+", rf"\1{HIDDEN}"),
        # JSON in base64 or base64url: a JWT, a docker configuration
        (r"(?-i:eyJ[\w.+/=-]{8,})", HIDDEN),
        # Tokens with a known prefix: GitHub, GitLab, Docker, AWS
        (r"\b(?:gh[oprsu]_|github_pat_|glpat-|dckr_[a-z]{1,8}_)[\w-]{10,}", HIDDEN),
        (r"\b(?-i:(?:AKIA|ASIA)[0-9A-Z]{12,})", HIDDEN),
    )
)


def redact(message: str) -> str:
    """Return the message on one line of at most 1 KiB in UTF-8, without credentials."""
    text = message[:READ_CHARACTERS]
    if len(message) > READ_CHARACTERS:
        # A cut word may be a credential that no pattern matches any more.
        text = text[: max(text.rfind(" "), text.rfind("\n"), 0)]
    # `isprintable` is false for lone surrogates too, which cannot be encoded.
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    encoded = _repeated(_redact_line, line).encode()
    if len(encoded) <= LONGEST_MESSAGE_BYTES:
        return encoded.decode()
    end = "…"
    return encoded[: LONGEST_MESSAGE_BYTES - len(end.encode())].decode(errors="ignore") + end


def redact_name(name: str) -> str:
    """Return the name of an image without user, password and query, at most 1,024 characters."""
    if len(name) <= LONGEST_NAME_CHARACTERS and _PLAIN_NAME.fullmatch(name):
        return name
    # The user is removed before the name is cut: the `@` may be late in it.
    return _repeated(_redact_name, _without_user(name)[:READ_CHARACTERS])[:LONGEST_NAME_CHARACTERS]


def redact_names(report: NodeReport) -> NodeReport:
    """Return the report of an agent of any version with redacted names."""
    return replace(report, pulls=tuple(map(_with_names, report.pulls)), recent=tuple(map(_with_names, report.recent)))


def _redact_line(line: str) -> str:
    line = _without_known_secrets(_URL.sub(_without_credentials, line))
    # The kubelet and containerd quote names, and a password in one may have spaces.
    return _WORD.sub(lambda word: _without_user(word[0]), _QUOTED.sub(_without_secrets, line))


def _redact_name(name: str) -> str:
    return _without_known_secrets(_without_query(_without_user(name)))


def _repeated(redact_once: Callable[[str], str], text: str) -> str:
    """Return the text after as many rounds as change it: one pattern may uncover a match of another."""
    for _ in range(ROUNDS):
        before, text = text, redact_once(text)
        if text == before:
            break
    return text


def _with_names(pull: Pull) -> Pull:
    names, repositories = tuple(map(redact_name, pull.names)), tuple(map(redact_name, pull.repositories))
    if (names, repositories) == (pull.names, pull.repositories):
        return pull
    return replace(pull, names=names, repositories=repositories)


def _without_user(text: str) -> str:
    """Return a name, URL or word without the text before its last `@`, but with the scheme."""
    user = _USER.match(text)
    if user is None or user.end() == 1:
        return text
    scheme = _SCHEME.match(text)
    start = text[: scheme.end()] if scheme is not None and scheme.end() < user.end() - 1 else ""
    return f"{start}{HIDDEN}@{text[user.end() :]}"


def _without_query(name: str) -> str:
    """Return a name or URL without query and fragment, which may be a token; the digest after them stays."""
    found = _QUERY.search(name)
    if found is None or _is_harmless(found[2]):
        return name
    return f"{name[: found.start()]}{found[1]}{HIDDEN}{found[3]}"


def _without_secrets(quoted: re.Match[str]) -> str:
    """Return a quoted text, which may be a name, redacted like one."""
    text = _without_user(quoted[1])
    return f'"{text if " " in text else _without_query(text)}{quoted[2]}'


def _is_harmless(query: str) -> bool:
    return all(part.partition("=")[0] in _HARMLESS for part in query.split("&"))


def _without_known_secrets(text: str) -> str:
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def _without_credentials(url: re.Match[str]) -> str:
    """Return a URL from its `://` on, without user and password, and without a query that may be a secret."""
    parts = url[0].split("://")  # more than two for a URL in the path of another
    for number, part in enumerate(parts):
        host, slash, path = part.partition("/")
        _, at, address = host.rpartition("@")
        if at:
            parts[number] = f"{HIDDEN}@{address}{slash}{path}"
    start, mark, query = "://".join(parts).partition("?")
    return f"{start}{mark}{query}" if not mark or _is_harmless(query) else f"{start}?{HIDDEN}"
