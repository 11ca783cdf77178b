"""Texts with secrets, in the shapes in which registries, runtimes and Go's libraries repeat them."""

from __future__ import annotations

import json
import string
from random import Random

from tests.fuzz.texts import SECRET

CHARACTERS = string.ascii_letters + string.digits + "._~+-"

SHAPES = (
    "Get https://user:{}@registry.test/v2/: dial tcp: no such host",
    "Get https://{}@registry.test/v2/",
    "GET HTTPS://user:{}@registry.test:5000/v2/",
    "proxyconnect tcp: http://proxy.test/http://user:{}@registry.test",
    "proxyconnect tcp: dial tcp: socks5://user:{}@proxy.test:1080",
    "oci://user:{}@registry.test/app",
    "Authorization: Bearer {}",
    "authorization: basic {}",
    'Authorization: "Basic {}"',
    "authorization={}",
    '"Authorization": "Bearer {}"',
    "map[Authorization:[Bearer {}] User-Agent:[containerd/2.1]]",
    "Proxy-Authorization: Basic {}",
    "X-Registry-Auth: {}",
    "AuthConfig{{Username:me,Password:{},Auth:,ServerAddress:,}}",
    "sent Bearer {} to the registry",
    "GET https://s3.test/blob?X-Amz-Algorithm=A&X-Amz-Signature={}&x=1: 403 Forbidden",
    "GET https://s3.test/blob?X-Amz-Security-Token={}&x=1: 403 Forbidden",
    "GET https://storage.googleapis.com/b/o?GoogleAccessId=x&Signature={}&Expires=1",
    "https://account.blob.core.windows.net/x?sv=2024&sig={}",
    "https://auth.docker.io/token?account=me&access_token={}",
    "access_token={}&scope=pull",
    "refresh_token='{}'",
    "password={};",
    "password: {}",
    "AWSAccessKeyId=x&Signature={}",
    'body: {{"token": "{}", "expires_in": 300}}',
    'body: {{"access_token":"{}"}}',
    '{{"auths":{{"registry.test":{{"auth":"{}"}}}}}}',
    '{{"auths":{{"registry.test":{{"username":"me","password":"{}"}}}}}}',
    '{{"identitytoken":"{}"}}',
    '{{"registrytoken" : "{}"}}',
    '{{"secret_access_key":"{}"}}',
)
BEFORE = ("", "failed to pull and unpack image: ", "ü ", "<b>", "a=b&", "\t", "'", "(", "[", "x: ", "\u202e", "\0")
AFTER = ("", ": 401 Unauthorized", " ü", "</b>", ")", "]", "\r\nnext", "\0")


def _quoted(text: str) -> str:
    return f"unexpected status: {json.dumps(text)}"


def _in_list(text: str) -> str:
    return json.dumps({"errors": [{"code": "UNAUTHORIZED", "message": text}]})


WRAPPINGS = (_quoted, _in_list)


def text_with_a_secret(chance: Random) -> bytes:
    """Return a secret in its shape, within other words, perhaps in quotes once or more, perhaps after a long text."""
    secret = SECRET + "".join(chance.choice(CHARACTERS) for _ in range(chance.randint(9, 60)))
    text = chance.choice(BEFORE) + chance.choice(SHAPES).format(secret) + chance.choice(AFTER)
    for _ in range(chance.randint(0, 3)):
        text = chance.choice(WRAPPINGS)(text)
    filling = chance.choice(["", "", "", "a ", "ü ", "https://registry.test/v2/x?a=b "])
    text = filling * chance.randint(0, 2200 // max(1, len(filling))) + text
    return text.encode("utf-8", "surrogatepass")
