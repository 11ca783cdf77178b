"""The certificates and keys of a cluster, made by openssl in a few milliseconds each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from tests.cluster import binaries
from tests.cluster.processes import run

VALID_DAYS = "30"


@dataclass(frozen=True)
class Certificate:
    """A certificate and its private key, as files."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority in a folder, strict enough for Python 3.13 and later."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.certificate = folder / "ca.crt"
        self._key = folder / "ca.key"
        self._lock = Lock()

    def create(self) -> None:
        """Make the authority's own key and certificate, unless they are there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.certificate.exists():
            usage = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign,digitalSignature"]
            self._make(self._key, self.certificate, "/CN=pulltrace-test-ca", [*usage, "subjectKeyIdentifier=hash"])

    def issue(self, name: str, user: str, *, groups: Sequence[str] = (), addresses: Sequence[str] = ()) -> Certificate:
        """Return a certificate for a user of these groups, or for a server at these addresses (`DNS:x`, `IP:y`).

        The name is the key: a second call returns the same certificate.
        """
        made = Certificate(self.folder / f"{name}.crt", self.folder / f"{name}.key")
        extensions = [
            "basicConstraints=critical,CA:FALSE",
            "keyUsage=critical,digitalSignature",
            "extendedKeyUsage=serverAuth,clientAuth",
            "authorityKeyIdentifier=keyid",
        ]
        if addresses:
            extensions.append(f"subjectAltName={','.join(addresses)}")
        subject = "".join(f"/O={group}" for group in groups) + f"/CN={user}"
        signer = ["-CA", str(self.certificate), "-CAkey", str(self._key)]
        with self._lock:  # nodes that start at the same time ask for the same certificate
            if not made.certificate.exists():
                self._make(made.key, made.certificate, subject, extensions, signer)
        return made

    def service_account_keys(self) -> Certificate:
        """Return the key pair that signs ServiceAccount tokens (its "certificate" is the public key)."""
        pair = Certificate(self.folder / "service-accounts.pub", self.folder / "service-accounts.key")
        if not pair.certificate.exists():
            openssl = str(binaries.debian("openssl"))
            run([openssl, "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", pair.key])
            run([openssl, "pkey", "-in", pair.key, "-pubout", "-out", pair.certificate])
        return pair

    def _make(
        self, key: Path, certificate: Path, subject: str, extensions: Sequence[str], signer: Sequence[str] = ()
    ) -> None:
        command = [str(binaries.debian("openssl")), "req", "-x509", "-new", "-nodes", "-sha256", "-days", VALID_DAYS]
        command += [
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-keyout",
            str(key),
            "-out",
            str(certificate),
        ]
        command += ["-config", "/dev/null", "-subj", subject, *signer]
        for extension in extensions:
            command += ["-addext", extension]
        run(command)
