"""The cluster's DNS, as small as it can be: A records of Services, asked from the API at each query.

    python -m tests.cluster.dns_server --listen 10.0.0.1 --kubeconfig PATH

Names are SERVICE.NAMESPACE.svc.cluster.local; every other name does not exist. No IPv6, no reverse names.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import json
import struct
from pathlib import Path
from typing import cast

from tests.cluster.api import JSON, ApiError, Identity
from tests.cluster.pki import Certificate

DOMAIN = ["svc", "cluster", "local"]
NAME_ERROR = 3
NO_ERROR = 0
TYPE_A = 1
SECONDS_TO_LIVE = 2


class Server(asyncio.DatagramProtocol):
    """Answers one question at a time; tests ask few."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        name, end = _name(data)
        kind = struct.unpack_from(">H", data, end)[0]
        question = data[12 : end + 4]
        addresses = self._addresses(name)
        answers = addresses if addresses and kind == TYPE_A else []
        code = NAME_ERROR if addresses is None else NO_ERROR
        flags = 0x8580 | code  # an answer, authoritative; recursion was wanted and is given
        head = data[:2] + struct.pack(">HHHHH", flags, 1, len(answers), 0, 0)
        body = b"".join(_record(address) for address in answers)
        self._transport.sendto(head + question + body, addr)

    def _addresses(self, name: list[str]) -> list[str] | None:
        """Return the addresses of a Service, or None when there is no such name."""
        if len(name) != 5 or name[2:] != DOMAIN:
            return None
        service, namespace = name[:2]
        path = f"/api/v1/namespaces/{namespace}/services?fieldSelector=metadata.name%3D{service}"
        try:
            found: list[JSON] = self._identity.get(path)["items"]
            if not found:
                return None
            if found[0]["spec"].get("clusterIP") != "None":
                return [found[0]["spec"]["clusterIP"]]
            endpoints = self._identity.get(path.replace("/services?", "/endpoints?"))["items"]
        except (ApiError, OSError):
            return []
        subsets = [subset for one in endpoints for subset in one.get("subsets", [])]
        return [address["ip"] for subset in subsets for address in subset.get("addresses", [])]


def _name(data: bytes) -> tuple[list[str], int]:
    labels, position = [], 12
    while length := data[position]:
        labels.append(data[position + 1 : position + 1 + length].decode("ascii", "replace").lower())
        position += 1 + length
    return labels, position + 1


def _record(address: str) -> bytes:
    pointer_to_question = b"\xc0\x0c"
    return (
        pointer_to_question
        + struct.pack(">HHIH", TYPE_A, 1, SECONDS_TO_LIVE, 4)
        + ipaddress.IPv4Address(address).packed
    )


async def serve(address: str, identity: Identity) -> None:
    """Answer until killed."""
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: Server(identity), local_addr=(address, 53))
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", required=True, metavar="ADDRESS")
    parser.add_argument("--kubeconfig", required=True, type=Path)
    arguments = parser.parse_args()
    config = json.loads(arguments.kubeconfig.read_text(encoding="utf-8"))
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    certificate = Certificate(Path(user["client-certificate"]), Path(user["client-key"]))
    identity = Identity(cluster["server"], Path(cluster["certificate-authority"]), certificate)
    asyncio.run(serve(arguments.listen, identity))


if __name__ == "__main__":
    main()
