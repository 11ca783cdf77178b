"""The generated pages, and the links of the site."""

from __future__ import annotations

from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from prometheus_client import CollectorRegistry, Counter, Histogram

from pulltrace.cli import PROGRAMS
from pulltrace.settings.parser import parser
from tests.deploy.manifests import CHART
from tools.docs import __main__ as docs
from tools.docs import api_page, links, metrics_page, settings_page, values_page
from tools.docs.tables import table

VALUES = """\
# Whether it is shown.
shown: true

# Both of
# these together.
inner:
  image:
    tag: ""
    # Wins over the tag.
    digest: ""
  preset: auto
  # As the pod has it.
  nodeSelector:
    kubernetes.io/os: linux

list:
  # The first entry.
  - name: one
"""
DEFAULTS: dict[str, Any] = {
    "shown": True,
    "inner": {
        "image": {"tag": "", "digest": ""},
        "preset": "auto",
        "nodeSelector": {"kubernetes.io/os": "linux"},
    },
    "list": [{"name": "one"}],
}


@pytest.mark.parametrize("name", docs.PAGES)
def test_page_is_up_to_date(name: str) -> None:
    """The page is the one that the code gives; `make pages` writes it."""
    assert name not in docs.outdated()


def test_every_setting_is_on_its_page() -> None:
    """Each program has its section, with each of its flags and variables."""
    page = settings_page.page()

    for kind, _ in PROGRAMS.values():
        for line in parser(kind, "pulltrace").format_help().splitlines():
            if line.strip().startswith("--"):
                assert f"| `{line.split()[0]}` |" in page


def test_every_value_is_on_its_page() -> None:
    """Every value of values.yaml has its row."""
    page = values_page.page()

    def leaves(value: Any, path: list[str]) -> list[str]:
        if isinstance(value, dict) and value and not values_page.is_example(path):
            return [leaf for name, inner in value.items() for leaf in leaves(inner, [*path, name])]
        return [".".join(path)]

    for name, value in yaml.safe_load((CHART / "values.yaml").read_text()).items():
        for leaf in leaves(value, [name]):
            assert f"| `{leaf}` |" in page


def test_values_are_read_with_their_comments() -> None:
    """A comment belongs to the value below; an object of Kubernetes is one value."""
    found = list(values_page.read(VALUES, DEFAULTS))

    assert found == [
        values_page.Value("shown", "true", "Whether it is shown."),
        values_page.Value("inner", "", "Both of these together."),
        values_page.Value("inner.image.tag", '""', ""),
        values_page.Value("inner.image.digest", '""', "Wins over the tag."),
        values_page.Value("inner.preset", '"auto"', ""),
        values_page.Value("inner.nodeSelector", '{"kubernetes.io/os": "linux"}', "As the pod has it."),
        values_page.Value("list", '[{"name": "one"}]', ""),
    ]


def test_list_in_a_comment() -> None:
    """Columns in a comment become a list on the page."""
    prose = values_page.prose(["One of:", "  k3s, rke2   for both", "  auto  asks", "Set <name>."])

    assert prose == "One of: `k3s, rke2`: for both; `auto`: asks; Set &lt;name>."


def test_families_have_type_and_labels() -> None:
    """A family has the labels of its samples and the names that queries use."""
    registry = CollectorRegistry()
    Counter("lines", "Logged lines.", ["phase"], registry=registry).labels("download")
    Histogram("took_seconds", "How long.", registry=registry)

    lines, took = metrics_page.families(registry)
    assert lines == metrics_page.Family("lines_total", "counter", ("phase",), "Logged lines.")
    assert (took.kind, took.labels) == ("histogram", ())
    assert took.series == ("took_seconds_bucket", "took_seconds_count", "took_seconds_sum")


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "string", "format": "date-time"}, "string, date-time"),
        ({"type": "integer", "minimum": 1, "maximum": 9}, "integer, 1 to 9"),
        ({"type": ["number", "null"], "minimum": 0}, "number or null, at least 0"),
        ({"type": "array", "items": {"$ref": "#/components/schemas/Pull"}}, "list of [Pull](#pull)"),
        ({"enum": ["a", "b"]}, "`a` `b`"),
        ({"const": "v1"}, '`"v1"`'),
        ({"oneOf": [{"$ref": "#/x/Pull"}, {"type": "null"}]}, "[Pull](#pull) or null"),
        ({}, "any"),
    ],
)
def test_type_in_the_api_reference(schema: dict[str, Any], text: str) -> None:
    """A type has its bounds, and another schema is a link."""
    assert api_page.kind(schema) == text


def test_cell_of_a_table() -> None:
    """A line break or a bar in a cell does not break the table."""
    assert table(("a",), [("one\n two | three",)]) == "| a |\n| --- |\n| one two \\| three |\n"


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("[a](other.md#x)", "[a](other.md#x)"),
        ("[a](../SECURITY.md)", f"[a]({links.BLOB}SECURITY.md)"),
        ("[a](../tools/release)", f"[a]({links.BLOB}tools/release)"),
        ("[a](https://example.com/../x)", "[a](https://example.com/../x)"),
    ],
)
def test_links_out_of_the_site(link: str, expected: str) -> None:
    """A link within docs/ stays; one to another file of the repository leads to GitHub."""
    assert links.rewritten(link, "") == expected


def test_links_within_a_folder_of_the_site() -> None:
    """From a folder below docs/, one step up is still the site."""
    assert links.rewritten("[a](../index.md) [b](../../README.md)", "how-to") == (
        f"[a](../index.md) [b]({links.BLOB}README.md)"
    )
