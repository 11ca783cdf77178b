"""The proxy keeps its rate, its faults hit the requests that they name, and images arrive whole."""

import hashlib
import http.client
import json
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.cluster.faults import Fault
from tests.cluster.images import Publisher, file_layer, random_layer
from tests.cluster.proxy import Proxy
from tests.cluster.registry import Registry

pytestmark = pytest.mark.real

SIZE = 1_000_000


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    """Provide a registry for all tests of this module."""
    with Registry() as registry:
        yield registry


@pytest.fixture(scope="module")
def shared_proxy(registry: Registry) -> Iterator[Proxy]:
    """Provide one proxy process for all tests of this module."""
    with Proxy(registry.url) as proxy:
        yield proxy


@pytest.fixture
def proxy(shared_proxy: Proxy) -> Iterator[Proxy]:
    """Provide the proxy, without the orders of the test before."""
    yield shared_proxy
    shared_proxy.clear()


@pytest.fixture(scope="module")
def blob(registry: Registry) -> str:
    """Provide the path of a blob of a million bytes and a bit."""
    image = Publisher(registry.url).push("blob", [random_layer(SIZE, seed="blob", compression="none")])
    return f"/v2/blob/blobs/{image.layers[0].digest}"


def fetch(proxy: Proxy, path: str, headers: dict[str, str] | None = None) -> tuple[int, bytes, dict[str, str]]:
    """GET a path."""
    with closing(http.client.HTTPConnection(proxy.address, proxy.port, timeout=20)) as connection:
        connection.request("GET", path, headers=headers or {})
        with connection.getresponse() as answer:
            return answer.status, answer.read(), dict(answer.getheaders())


def test_bodies_pass_unchanged(proxy: Proxy, blob: str) -> None:
    """A blob has the digest that names it."""
    status, body, _ = fetch(proxy, blob)

    assert status == 200
    assert hashlib.sha256(body).hexdigest() == blob.rpartition(":")[2]


def test_ranges_and_heads_pass(proxy: Proxy, blob: str) -> None:
    """A part of a blob can be asked for, and only its headers."""
    status, body, _ = fetch(proxy, blob, {"Range": "bytes=10-19"})
    head = urllib.request.Request(proxy.url + blob, method="HEAD")
    with urllib.request.urlopen(head, timeout=10) as answer:
        length = int(answer.headers["Content-Length"])

    assert (status, len(body)) == (206, 10)
    assert length > SIZE
    assert [(one.method, one.range, one.sent_bytes) for one in proxy.requests("/blobs/")] == [
        ("GET", "bytes=10-19", 10),
        ("HEAD", None, 0),
    ]


def test_rate_holds(proxy: Proxy, blob: str) -> None:
    """A million bytes at 500,000 a second take two seconds."""
    proxy.set_rate(SIZE / 2)
    started = time.monotonic()
    fetch(proxy, blob)

    assert 1.7 < time.monotonic() - started < 3


def test_refusals_look_like_a_registry(proxy: Proxy, blob: str) -> None:
    """A fault with a status answers with the registry's error body and the headers asked for, as often as asked."""
    proxy.add(Fault("/blobs/", status=429, headers={"Retry-After": "7"}, times=1))
    status, body, headers = fetch(proxy, blob)
    after, _, _ = fetch(proxy, blob)

    assert (status, headers["Retry-After"], after) == (429, "7", 200)
    assert json.loads(body)["errors"][0]["code"] == "TOOMANYREQUESTS"


def test_cut_ends_early(proxy: Proxy, blob: str) -> None:
    """A cut connection delivers the bytes before the cut and then breaks."""
    proxy.add(Fault(blob, cut_after_bytes=1234))

    with pytest.raises(http.client.IncompleteRead) as caught:
        fetch(proxy, blob)
    assert len(caught.value.partial) == 1234


def test_corrupt_changes_bytes_only(proxy: Proxy, blob: str) -> None:
    """A corrupt body has the right length and the wrong digest."""
    _, right, _ = fetch(proxy, blob)
    proxy.add(Fault(blob, corrupt=True))
    _, wrong, _ = fetch(proxy, blob)

    assert len(wrong) == len(right)
    assert wrong != right


def test_hang_delays_the_answer(proxy: Proxy, blob: str) -> None:
    """A request that hangs is answered after the time that was ordered."""
    proxy.add(Fault("/blobs/", hang_seconds=0.5))
    started = time.monotonic()
    status, _, _ = fetch(proxy, blob)

    assert status == 200
    assert time.monotonic() - started > 0.5


def test_same_seed_same_digest() -> None:
    """A layer's digest depends on its seed and size alone, and files keep their contents."""
    assert random_layer(1000, seed=1).digest == random_layer(1000, seed=1).digest
    assert random_layer(1000, seed=1).digest != random_layer(1000, seed=2).digest
    assert file_layer({"a": b"x"}, "none").digest == file_layer({"a": b"x"}, "gzip").diff_id
