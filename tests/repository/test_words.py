"""The words of docs, docstrings, comments, strings, names and the page: see CONTRIBUTING.md. The rules
are in words.py.
"""

from __future__ import annotations

import pytest

from tests.repository.files import name_of, tracked
from tests.repository.words import comments, faults, folder, markdown, python, script

FOLDERS = sorted({folder(name_of(path)) for path in tracked()})


@pytest.mark.parametrize("name", FOLDERS)
def test_texts_follow_the_rules(name: str) -> None:
    """No sentence has a banned opening or word, no name a banned part, no line of the docs is too long."""
    found = faults([path for path in tracked(name) if folder(name_of(path)) == name])

    assert found == [], "\n" + "\n".join(map(str, found))


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        ('"""Behind a pull that stands still nothing is said."""', "begins with 'Behind'"),
        ('"""A pull that stands still."""', "has 'stands still'"),
        ('"""An estimate that only grows older is not told again."""', "has 'told'"),
        ('x = 1\n"""What the reference resolved to."""', "begins with 'What'"),
        ('"""Sound. Of `total_bytes`, what is on the node."""', "begins with 'Of'"),
        ('"""**Those** that wait."""', "begins with 'Those'"),
        ("# the last that was\n# heard, not what is\n", "has 'heard'"),
        ("x = 1  # Nobody is woken any more\n", "has 'Nobody'"),
        ("x = 'Cannot start: until somebody mends it'", "has 'mends'"),
        ('f"{1} looks at containerd"', "has 'looks at'"),
        ("class ToldPull: pass", "name has 'told'"),
        ("def untold_since(): pass", "name has 'untold'"),
        ("def f(*, _said=1): pass", "name has 'said'"),
    ],
)
def test_banned_texts_are_found_in_python(source: str, rule: str) -> None:
    """Docstrings of modules and values, blocks and ends of comments, strings, classes, functions and arguments."""
    assert rule in [one.rule for one in python("pulltrace/x.py", source)]


@pytest.mark.parametrize(
    ("source", "line", "rule"),
    [
        ("# Title\n\nGood\ntext. Whoever reads\nit.\n", 4, "begins with 'Whoever'"),
        ("- Of all pulls:\n- Good.\n", 1, "begins with 'Of'"),
        ("| a | What it is |\n", 1, "begins with 'What'"),
        ("## What it is\n", 1, "begins with 'What'"),
        ("An estimate\nthat is\ndue soon.\n", 2, "has 'is due'"),
        ("word " * 21, 1, "has more than 100 columns"),
        ("[link](https://example.com/x) " + "word " * 20, 1, "has more than 100 columns"),
    ],
)
def test_banned_texts_are_found_in_documents(source: str, line: int, rule: str) -> None:
    """Sentences over several lines, lists, tables, headings and long lines, each at its own line."""
    assert (line, rule) in [(one.line, one.rule) for one in markdown("docs/x.md", source)]


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        ("/** What is looked at. */", "begins with 'What'"),
        ("// as it was\n// told\n", "has 'told'"),
        ("<p>No agent is heard, and\n nobody knows</p>", "has 'nobody'"),
        ("const a = 'the last that was heard'", "has 'heard'"),
        ("const toldAtMs = 1", "name has 'told'"),
    ],
)
def test_banned_texts_are_found_in_scripts(source: str, rule: str) -> None:
    """Comments, texts between tags, strings and names."""
    assert rule in [one.rule for one in script("web/src/x.tsx", source)]


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        ("# -- What it\n# is\na: 1\n", "begins with 'What'"),
        ("a: 1 # somebody\n", "has 'somebody'"),
        ("description: Who asks is answered.\n", "begins with 'Who'"),
        ('  "description": "as it was told",\n', "has 'told'"),
    ],
)
def test_banned_texts_are_found_in_the_chart(source: str, rule: str) -> None:
    """Comments and the values of keys."""
    assert rule in [one.rule for one in comments("deploy/x.yaml", source)]


def test_other_texts_are_free() -> None:
    """Code, links, words with a banned word in them, questions as headings, and strings of tests break no rule."""
    good = (
        "## What is a pull?\n\nThere is one, often. Offline agents retry.\n`told` and [text](what/was/told.md).\n"
        "Whose pod it is, the thread. An overdue retry is due to an error.\n```\nWhat is told\n```\n"
        "[long](https://example.com/" + "x" * 100 + ")\n| " + "cell " * 30 + "|\n"
    )
    assert list(markdown("docs/x.md", good)) == []
    assert list(python("pulltrace/x.py", "gathered = therefore = {'told': 1}\n")) == []
    assert list(python("tests/test_x.py", "x = 'nobody told it'\n")) == []
    assert list(script("web/src/x.ts", "import { a } from './there'; const b = 'heard'")) == []
