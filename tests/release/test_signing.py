"""SBOMs and signatures as a release makes them, of the real image, in a real registry, with a key of this test's own.

A release signs without a key, by the workflow's identity, and records it in the public transparency log; this machine
has neither. Program, calls and bundles are the same.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cluster import binaries
from tests.cluster.registry import Registry
from tests.deploy import images
from tools.release import sboms, signing
from tools.release.programs import StepFailed, run

pytestmark = [pytest.mark.real("docker-registry", "debootstrap", "buildah"), pytest.mark.timeout(300, func_only=True)]

SBOM = "pulltrace-agent-linux-amd64.spdx.json"
NO_SERVICES = {"mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json"}
"""cosign's configuration for signing without certificates, transparency log and time stamps."""
NO_ROOTS = {"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1"}
"""The same for verifying: the default would ask the internet for the public ones."""


@dataclass(frozen=True)
class Released:
    """The output of a release."""

    folder: Path
    image: str
    """By digest, in the registry."""
    public_key: Path

    def verify(self, command: str, *words: str | Path) -> str:
        how = ["--insecure-ignore-tlog=true", f"--trusted-root={self.public_key.with_name('root.json')}"]
        return run("cosign", command, "--key", self.public_key, *how, *words)


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Released]:
    """Provide the agent's image, pushed, listed and signed; and a file beside it."""
    folder, keys = tmp_path_factory.mktemp("out"), tmp_path_factory.mktemp("keys")
    programs = [
        binaries.built(module, name).parent for module, name in ((binaries.COSIGN, "cosign"), (binaries.SYFT, "syft"))
    ]
    with pytest.MonkeyPatch.context() as patch, Registry() as registry:
        patch.setenv("PATH", os.pathsep.join([*map(str, programs), os.environ["PATH"]]))
        patch.setenv("COSIGN_PASSWORD", "")
        patch.setenv("SYFT_REGISTRY_INSECURE_USE_HTTP", "true")
        patch.setenv("SYFT_CHECK_FOR_APP_UPDATE", "false")
        (keys / "config.json").write_text(json.dumps(NO_SERVICES))
        (keys / "root.json").write_text(json.dumps(NO_ROOTS))
        run("cosign", "generate-key-pair", folder=keys)
        flags = ["--key", str(keys / "cosign.key"), "--signing-config", str(keys / "config.json")]

        digest = images.build(["agent"])["agent"].push(registry.url)
        image = f"{registry.url.removeprefix('http://')}/pulltrace-agent@{digest}"
        (folder / "pulltrace.yaml").write_text("kind: Everything\n")
        sboms.scan(folder, image, ["linux/amd64"])
        signing.sign_image(folder, image, flags)
        signing.sign_files(folder, flags)
        yield Released(folder, image, keys / "cosign.pub")


def test_sbom_names_what_is_in_the_image(released: Released) -> None:
    """The SPDX document has Debian's packages, Python's, and Pulltrace itself."""
    document = json.loads((released.folder / SBOM).read_text())
    names = {package["name"].lower() for package in document["packages"]}

    assert document["spdxVersion"] == "SPDX-2.3"
    assert {"libc6", "ca-certificates", "orjson", "grpcio", "pulltrace"} <= names


def test_image_can_be_verified(released: Released) -> None:
    """The signature in the registry is of this image and this key."""
    signed = json.loads(released.verify("verify", released.image))
    digests = {one["critical"]["image"]["docker-manifest-digest"] for one in signed}

    assert digests == {released.image.partition("@")[2]}
    assert "https://sigstore.dev/cosign/sign/v1" in {one["critical"]["type"] for one in signed}


def test_sbom_is_attested(released: Released) -> None:
    """The attestation in the registry holds the document that was written, for this image."""
    output = json.loads(released.verify("verify-attestation", "--type", "spdxjson", released.image))
    statement = json.loads(base64.b64decode(output["payload"]))

    assert statement["subject"][0]["digest"] == {"sha256": released.image.partition("@sha256:")[2]}
    assert statement["predicate"] == json.loads((released.folder / SBOM).read_text())


@pytest.mark.parametrize("name", ["pulltrace.yaml", SBOM])
def test_file_can_be_verified(name: str, released: Released) -> None:
    """Each file has its bundle beside it."""
    path = released.folder / name

    released.verify("verify-blob", "--bundle", f"{path}.sigstore.json", path)


def test_every_file_has_a_bundle(released: Released) -> None:
    """There is one for the image, one for the attested SBOM, and one for each file; none of a bundle itself."""
    assert {path.name for path in released.folder.iterdir()} == {
        "pulltrace.yaml",
        "pulltrace.yaml.sigstore.json",
        "pulltrace-agent.sigstore.json",
        SBOM,
        f"{SBOM}.sigstore.json",
        "pulltrace-agent-linux-amd64.spdx.attestation.sigstore.json",
    }


def test_changed_file_is_refused(released: Released, tmp_path: Path) -> None:
    """A byte more, and the signature does not hold."""
    changed = tmp_path / "pulltrace.yaml"
    changed.write_text("kind: Everything and more\n")

    with pytest.raises(StepFailed):
        released.verify("verify-blob", "--bundle", released.folder / "pulltrace.yaml.sigstore.json", changed)


def test_tag_is_not_signed(tmp_path: Path) -> None:
    """An image is named by digest, or it is not signed."""
    with pytest.raises(SystemExit, match="not named by digest"):
        signing.sign_image(tmp_path, "registry.test/pulltrace-agent:1")
