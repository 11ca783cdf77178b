"""The commands of the documentation, and how each of them is tried."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from tests.repository.files import name_of, tracked

NOT_HERE = {
    r"git (clone|commit|tag|push) ": "changes or reaches a repository on GitHub",
    r"cd pulltrace$": "goes into the clone",
    r"gh ": "asks GitHub about a real release",
    r"cosign verify": "asks about the identity of a real release; tests/release/test_signing.py verifies with a key",
    r"(version|identity|issuer)=": "sets a variable for the commands after it",
    r"docker build ": "needs Docker; tests/deploy/images.py builds the same Dockerfiles with buildah",
    r"helm repo add |helm install pulltrace pulltrace/": "needs the published repository; tests/release/test_pages.py makes one",
    r"kubectl apply -k \"https://": "needs GitHub; tests/e2e/test_valid_01_install.py applies the same overlay from the clone",
    r"kubectl (-n pulltrace )?debug ": "needs an image from the internet",
    r"kubectl describe pod web-1$": "a pod of the reader's, as an example",
    r"until curl ": "waits for a workload of the reader's; tests/server asks the same",
}
"""Commands that cannot run without the internet, and why."""
ELSEWHERE = {
    r"helm install pulltrace (oci://\S+|deploy/helm/pulltrace) -n pulltrace --create-namespace$": "test_valid_01_install",
    r"helm uninstall pulltrace -n pulltrace$": "test_valid_01_install",
    r"helm test pulltrace -n pulltrace$": "test_valid_01_install",
    r"helm upgrade pulltrace oci://\S+ -n pulltrace$": "test_valid_01_install",
    r"kubectl apply -k deploy/kustomize/overlays/default$": "test_valid_01_install",
    r"kubectl delete namespace pulltrace$": "installs",
    r"kubectl -n pulltrace port-forward ": "reach",
}
"""Commands that other files of tests/e2e run."""
PROGRAMS = ("kubectl", "helm", "make", "curl", "python", "pulltrace")
INLINE = re.compile(r"`((?:sudo )?(?:kubectl|helm|make|\.venv/bin/python|python3?) [^`\n]+)`")


@dataclass(frozen=True)
class Command:
    """A command line of the documentation."""

    page: str
    text: str

    @property
    def words(self) -> list[str]:
        """Its words, without the sudo before it."""
        words = shlex.split(self.text)
        return words[1:] if words[0] == "sudo" else words

    @property
    def program(self) -> str:
        name = re.sub(r"\d$", "", self.words[0].rpartition("/")[2])
        return name if name in PROGRAMS else ""

    def is_one_of(self, patterns: dict[str, str]) -> bool:
        return any(re.match(pattern, self.text) for pattern in patterns)


def documented() -> list[Command]:
    """Return every command of every document, once."""
    found = (command for path in tracked("*.md") for command in of_page(name_of(path), path.read_text()))
    return list({command.text: command for command in found}.values())


def of_page(page: str, text: str) -> Iterator[Command]:
    """Yield the commands of a page: lines of shell blocks, and code within the text that is a whole command."""
    for block in re.finditer(r"^```(sh|console)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for line in re.sub(r"\s*\\\n\s*", " ", block[2]).splitlines():
            is_command = block[1] == "sh" or line.startswith("$ ")
            if is_command and (command := re.sub(r"\s+# .*", "", line.removeprefix("$ ")).strip()):
                yield Command(page, command)
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    for inline in INLINE.findall(prose):
        if re.search(r"^(sudo )?make |-m |pulltrace( |$)|deploy/|NODE|POD", inline):
            yield Command(page, inline)
