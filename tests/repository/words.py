"""Which words the docs, docstrings, comments, strings, names and the page may not have.

`python -m tests.repository.words [PATH…]` prints each place that breaks a rule, and their number in each folder.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.repository.files import ROOT, name_of, tracked

WORDS = re.compile(
    r"""\b(?:
        nobody | somebody | anybody | whoever | told | tells | said | heard | unheard | untold
        | mend(?:s|ed|ing)? | (?:is|are|was|were)\ (?:not\ )?due(?!\ to\b) | look(?:s|ed|ing)\ at | an?\ look
        | stands?\ still | standing\ still | comes?\ about | ha(?:s|ve|d)\ (?:its|their)\ say | lore | manners | whose\ turn
    )\b""",
    re.IGNORECASE | re.VERBOSE,
)
OPENINGS = re.compile(r"(?:Of|Behind|What|Who|Whoever|Whatever|Those)(?![\w'/-])")
NAME_PARTS = frozenset(
    {"told", "heard", "said", "lore", "there", "untold", "unsaid", "nobody", "somebody", "anybody", "whoever"}
)
MOST_COLUMNS = 100

ALLOWED: dict[str, tuple[str, ...]] = {}
"""Quoted texts of others, by file: a line with one of these texts breaks no rule."""

PYTHON_STRINGS = ("pulltrace/", "benchmarks/", "tools/", ".ci/", "hatch_build.py")
"""Where strings are read as well: a person sees them."""
NOT_OURS = re.compile(
    r"_pb2|^tests/(?:fuzz/corpus|recorded)/|^tests/cluster/[\w/]*go\.|package-lock|^requirements/.*txt$|^LICENSE"
)
ABBREVIATIONS = re.compile(r"\b(?:e\.g|i\.e|etc|vs|cf)\.$")


@dataclass(frozen=True)
class Fault:
    """A place that breaks a rule."""

    path: str
    line: int
    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.text.strip()[:120]}"


@dataclass(frozen=True)
class Text:
    """A paragraph as people read it; a line of it is a line of the file."""

    line: int
    text: str


# -- the rules -------------------------------------------------------------------------------------


def sentences(text: str) -> Iterator[tuple[int, str]]:
    """Return the sentences of a paragraph and where each begins in it."""
    start = 0
    for end in re.finditer(r"[.!?](?:[\"'”)*_]*)\s+(?=[\"'“(*_\[]*[A-Z])|\n\s*\n|\Z", text):
        sentence = text[start : end.end()]
        if ABBREVIATIONS.search(text[: end.start() + 1]):
            continue
        yield start + len(sentence) - len(sentence.lstrip()), sentence.strip()
        start = end.end()


def faults_of_text(path: str, text: Text) -> Iterator[Fault]:
    """Find the openings and words of a paragraph that the rules ban; a question that stands alone is a heading or a
    label.
    """
    plain = re.sub(r"`[^`]*`", lambda code: re.sub(r"[^\n]", "x", code[0]), text.text)
    lines = text.text.split("\n")
    for at, sentence in sentences(plain):
        first = re.match(r"(?:[-*>#\"'“(_\[]+|\d+\.)*\s*(?:[*_]*)", sentence)
        opening = OPENINGS.match(sentence, first.end() if first else 0)
        question = plain.strip() == sentence and sentence.endswith("?")
        if opening and not question:
            number = plain.count("\n", 0, at)
            yield Fault(path, text.line + number, f"begins with {opening[0]!r}", lines[number])
    for word in WORDS.finditer(re.sub(r"\n", " ", plain)):
        number = plain.count("\n", 0, word.start())
        yield Fault(path, text.line + number, f"has {word[0]!r}", lines[number])


def name_parts(name: str) -> list[str]:
    """Return the words of a name in snake_case or camelCase, in small letters."""
    return [part.lower() for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]


def fault_of_name(path: str, line: int, name: str) -> Iterator[Fault]:
    if found := NAME_PARTS.intersection(name_parts(name)):
        yield Fault(path, line, f"name has {min(found)!r}", name)


# -- the files -------------------------------------------------------------------------------------


def python(path: str, source: str) -> Iterator[Fault]:
    """Find the faults in docstrings, comments, names and, where people see them, strings."""
    docs: set[int] = set()
    strings: list[Text] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            docs.add(id(node.value))
            yield from faults_of_text(path, Text(node.lineno, node.value.value))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            strings.append(Text(node.lineno, node.value))
    if path.startswith(PYTHON_STRINGS):
        for text in strings:
            if " " in text.text.strip():
                yield from faults_of_text(path, text)
    block: list[str] = []
    begin, previous = 0, -1
    named: set[str] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            line = token.start[0]
            alone = not token.line[: token.start[1]].strip()
            if block and not (alone and line == previous + 1):
                yield from faults_of_text(path, Text(begin, "\n".join(block)))
                block = []
            if not block:
                begin = line
            block.append(token.string.lstrip("#: "))
            previous = line
        elif token.type == tokenize.NAME and token.string not in named:
            named.add(token.string)
            yield from fault_of_name(path, token.start[0], token.string)
    if block:
        yield from faults_of_text(path, Text(begin, "\n".join(block)))


def markdown(path: str, source: str) -> Iterator[Fault]:
    """Find the faults in paragraphs, lists, headings and tables, and lines that are too long; code is left out."""
    block: list[str] = []
    begin = 0
    fence = ""

    def paragraph() -> Iterator[Fault]:
        nonlocal block
        if block:
            yield from faults_of_text(path, Text(begin, "\n".join(block)))
        block = []

    for number, line in enumerate(source.split("\n"), 1):
        bare = line.strip()
        if fence or bare.startswith(("```", "~~~")):
            yield from paragraph()
            if not fence:
                fence = bare[:3]
            elif bare.startswith(fence):
                fence = ""
            continue
        readable = re.sub(r"\]\([^)]*\)|^\[[^\]]*\]: .*", "]", line)
        if bare.startswith("|"):
            yield from paragraph()
            for cell in re.split(r"(?<!\\)\|", readable):
                yield from faults_of_text(path, Text(number, cell.strip()))
            continue
        if bare.startswith("#"):
            yield from paragraph()
            yield from faults_of_text(path, Text(number, readable.lstrip("# ")))
        elif not bare:
            yield from paragraph()
        else:
            if re.match(r"\s*(?:[-*+]|\d+\.)\s", line):
                yield from paragraph()
            if not block:
                begin = number
            block.append(readable)
        without_links = re.sub(r"\]\([^)]*\)|<?https?://\S+", "]", line)
        if len(without_links) > MOST_COLUMNS and not bare.startswith("<"):
            yield Fault(path, number, f"has more than {MOST_COLUMNS} columns", line)
    yield from paragraph()


SCRIPT = re.compile(
    r"""(?P<comment>//[^\n]*(?:\n[ \t]*//[^\n]*)* | /\*.*?\*/)
    | (?P<string>"(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*' | `(?:[^`\\]|\\.)*`)
    | (?P<markup>(?<=>)[^<>{}()=;]+(?=[<{]))
    | (?P<name>[A-Za-z_$][\w$]*)""",
    re.VERBOSE | re.DOTALL,
)


def script(path: str, source: str) -> Iterator[Fault]:
    """Find the faults in comments, strings, texts between tags, and names of TypeScript or CSS."""
    named: set[str] = set()
    for found in SCRIPT.finditer(source):
        line = source.count("\n", 0, found.start()) + 1
        match found.lastgroup:
            case "name":
                if found[0] not in named:
                    named.add(found[0])
                    yield from fault_of_name(path, line, found[0])
            case "comment":
                text = re.sub(r"^[ \t]*(?:/\*+|\*/|\*|//+)?[ \t]?", "", found[0], flags=re.MULTILINE)
                yield from faults_of_text(path, Text(line, text.removesuffix("*/")))
            case "string":
                if " " in found[0]:
                    yield from faults_of_text(path, Text(line, found[0][1:-1].replace("`", "'")))
            case _:
                text = found[0]
                lead = len(text) - len(text.lstrip())
                yield from faults_of_text(path, Text(line + text[:lead].count("\n"), text.strip()))


def comments(path: str, source: str) -> Iterator[Fault]:
    """Find the faults in the comments and texts of YAML, templates, shell scripts, Makefiles and Dockerfiles."""
    block: list[str] = []
    begin = 0
    for number, line in enumerate([*source.split("\n"), ""], 1):
        comment = re.match(r"\s*#+(?!!)\s?(.*)", line) or re.match(r".*?\s#\s(.*)", line)
        alone = bool(re.match(r"\s*#", line))
        if block and not alone:
            yield from faults_of_text(path, Text(begin, "\n".join(block)))
            block = []
        if comment and alone:
            begin = begin if block else number
            block.append(comment[1].removeprefix("-- "))
            continue
        texts = [comment[1]] if comment else []
        rest = line[: comment.start(1)] if comment else line
        value = re.match(r"\s*(?:- )?[\"']?[\w-]+[\"']?: ?[>|]?-?\s*[\"']?(.*?)[\"']?,?$", rest)
        texts.append(value[1] if value else rest.strip())
        for text in texts:
            yield from faults_of_text(path, Text(number, text))


READERS = {
    ".py": python,
    ".md": markdown,
    **dict.fromkeys((".ts", ".tsx", ".js", ".cjs", ".css"), script),
    **dict.fromkeys(
        (".yaml", ".yml", ".tpl", ".txt", ".sh", ".ini", ".toml", ".json", ".html", ".svg", ".in", ""), comments
    ),
}


def faults(paths: Sequence[Path]) -> list[Fault]:
    """Return the places in these files that break a rule, in order."""
    found: list[Fault] = []
    for path in paths:
        name = name_of(path)
        reader = READERS.get(path.suffix)
        if reader is None or NOT_OURS.search(name):
            continue
        allowed = ALLOWED.get(name, ())
        some = reader(name, path.read_text(encoding="utf-8"))
        found += sorted(
            (one for one in set(some) if not any(text in one.text for text in allowed)),
            key=lambda one: (one.line, one.rule),
        )
    return found


def folder(path: str) -> str:
    """Return the folder that a file is counted under."""
    parts = path.split("/")[:-1]
    return "/".join(parts[: 3 if parts[:1] == ["deploy"] else 2]) or path


def main(arguments: Sequence[str]) -> None:
    found = faults(tracked(*arguments))
    for fault in found:
        print(fault)
    for name, count in sorted(Counter(folder(fault.path) for fault in found).items()):
        print(f"{count:5} {name}")
    print(f"{len(found):5} in all; checked from {ROOT.name}")


if __name__ == "__main__":
    main(sys.argv[1:])
