"""Leases of other versions and of other programs: unusable values are problems, never errors."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pulltrace.pulls.lease_format.annotations import (
    LIMIT_BYTES,
    MAX_PULLS,
    NODE,
    PULL_PREFIX,
    READ_BYTES,
    RECENT,
    SUMMARY,
    decode,
    encode,
)
from pulltrace.pulls.model import NodeReport, Phase
from tests.builders.pulls import ended, large_pull
from tests.pulls.strategies import ENDED

KEY = PULL_PREFIX + "0123456789ab"
VALUE: dict[str, Any] = {"v": 1, "phase": "downloading", "start": "2026-11-23T15:04:05.678Z"}


def one(**fields: Any) -> dict[str, str]:
    """The annotations of a node with one pull, which has these fields."""
    return {KEY: orjson.dumps({**VALUE, **fields}).decode()}


def test_unknown_keys_are_ignored() -> None:
    """Keys of a newer agent do not disturb."""
    read = decode({**one(future={"x": [1]}), "pulltrace.io/future": "{", "example.com/pull": "junk"})

    assert (len(read.pulls), read.problems) == (1, ())


def test_another_version_is_reported() -> None:
    """A value of a format that this reader does not know is a problem, not a pull."""
    read = decode(one(v=2))

    assert (read.pulls, read.problems) == ((), (f"{KEY}: format version '2'; this reader knows 1",))


def test_history_of_another_version_is_left_out() -> None:
    """Entries of a newer agent are passed over, those of before are read."""
    entries = orjson.loads(encode(NodeReport(recent=(ended(1), ended(2))))[RECENT])
    entries[0]["v"] = 2

    assert [each.id for each in decode({RECENT: orjson.dumps(entries).decode()}).recent] == [ended(2).id]


def test_one_bad_pull_does_not_cost_the_others() -> None:
    """Each annotation stands for itself."""
    annotations = encode(NodeReport(pulls=(large_pull(1, 2), large_pull(2, 2)), recent=(ended(3),)))
    read = decode({**annotations, KEY: "junk"})

    assert (len(read.pulls), len(read.recent), len(read.problems)) == (2, 1, 1)


BAD_FIELDS = {
    "phase unknown": {"phase": "dancing"},
    "phase ended": {"phase": "completed"},
    "phase a list": {"phase": []},
    "start missing": {"start": None},
    "start junk": {"start": "yesterday"},
    "start a number": {"start": 1},
    "start without zone": {"start": "2026-11-23T15:04:05"},
    "start before 1970": {"start": "1969-12-31T23:59:59Z"},
    "start in the year 9999": {"start": "9999-12-31T23:59:59Z"},
    "start beyond the calendar": {"start": "0001-01-01T00:00:00+14:00"},
    "progress negative": {"progress": -1},
    "progress of centuries": {"progress": 1e12},
    "left a text": {"left": "soon"},
    "total huge": {"total": 10**18},
    "total beyond 64 bits": {"total": 1e30},
    "total a fraction": {"total": 1.5},
    "total negative": {"total": -1},
    "total true": {"total": True},
    "total null": {"total": None},
    "done above total": {"total": 10, "done": 11},
    "rate a list": {"rate": [1]},
    "count an object": {"count": {}},
    "repo a text": {"repo": "docker.io/library/nginx"},
    "repo of numbers": {"repo": [1]},
    "repo too many": {"repo": ["a"] * 17},
    "repo empty": {"repo": [""]},
    "name too long": {"names": ["x" * 1025]},
    "name with a control character": {"names": ["ngi\x1b[31mnx"]},
    "name with a line break": {"names": ["nginx\nnginx"]},
    "name that turns the text": {"names": ["\u202egnp.exe"]},
    "name with markup": {"names": ["<img src=x onerror=alert(1)>"]},
    "target a number": {"target": 1},
    "target no digest": {"target": "<script>"},
    "target cut short": {"target": "ab" * 31},
    "target in capitals": {"target": "AB" * 32},
    "layers an object": {"layers": {}},
    "layers a list": {"layers": ["0123456789abq1"]},
    "layers too many": {"layers": " ".join(["0123456789abq1"] * 513)},
    "layers of a number": {"layers": 1},
    "layer empty": {"layers": "0123456789abq1  0123456789abq1"},
    "layer after a line break": {"layers": "0123456789abq1\n0123456789abq1"},
    "layer digest short": {"layers": "0123456789aq1"},
    "layer digest in capitals": {"layers": "0123456789ABq1"},
    "layer size huge": {"layers": "0123456789abq9999999999999999"},
    "layer size too long": {"layers": "0123456789abq" + "9" * 400},
    "layer size in other digits": {"layers": "0123456789abq\u0661"},
    "layer state unknown": {"layers": "0123456789abz1"},
    "layer bytes missing": {"layers": "0123456789abd1"},
    "layer bytes not asked for": {"layers": "0123456789abq1/1"},
    "layer bytes above size": {"layers": "0123456789abd1/2"},
    "layer bytes negative": {"layers": "0123456789abd1/-1"},
}


@pytest.mark.parametrize("fields", BAD_FIELDS.values(), ids=BAD_FIELDS)
def test_a_bad_field_is_reported(fields: dict[str, Any]) -> None:
    """A value out of type or range costs its pull and is named, in one short line."""
    read = decode(one(**fields))

    assert read.pulls == ()
    [problem] = read.problems
    assert problem.startswith(KEY)
    assert problem.isprintable()
    assert len(problem) < 250


def test_an_error_is_freed_of_what_deceives() -> None:
    """Control characters and marks that turn the text around are replaced in a message."""
    [reported] = orjson.loads(encode(NodeReport(recent=(ended(1),)))[RECENT])
    reported["error"] = "no\x1b[31m \u202emanifest\n" + "x" * 2000
    [read] = decode({RECENT: orjson.dumps([reported]).decode()}).recent

    assert read.error is not None
    assert read.error.startswith("no�[31m �manifest�x")
    assert len(read.error) == 1024


JUNK = {
    "empty": "",
    "no JSON": "junk",
    "a number": "1",
    "a list": "[]",
    "null": "null",
    "NaN": '{"v":1,"phase":"downloading","total":NaN}',
    "infinity": '{"v":1,"phase":"downloading","total":1e999}',
    "half a surrogate": '{"v":1,"phase":"\\ud800"}',
    "deep list": "[" * 5000,
    "deep object": '{"v":' * 2000,
    "16 KiB": "x" * (LIMIT_BYTES + 1),
}


@pytest.mark.parametrize("key", [KEY, RECENT, NODE])
@pytest.mark.parametrize("text", JUNK.values(), ids=JUNK)
def test_junk_is_reported(key: str, text: str) -> None:
    """Reading any value does not raise, and the problem names the key."""
    read = decode({key: text})

    assert (read.pulls, read.recent) == ((), ())
    if not (key == RECENT and text == "[]"):
        assert read.problems[0].startswith(key)


def test_256_kib_of_junk_are_not_parsed() -> None:
    """An API server lets 256 KiB through: so much is one problem, and no work."""
    read = decode({f"{PULL_PREFIX}{number:012x}": "{" * 1000 for number in range(256)})

    assert read == NodeReport(problems=(f"{256 * 1030} bytes of annotations; at most {READ_BYTES} are read",))


def test_more_pulls_than_a_node_can_have_are_not_read() -> None:
    """The number of pulls, and so of problems, has a bound."""
    read = decode({f"{PULL_PREFIX}{number:012x}": "" for number in range(MAX_PULLS + 10)})

    assert len(read.problems) == MAX_PULLS + 1


def test_an_id_that_is_none_is_reported() -> None:
    """A key must end in 12 hex digits."""
    [problem] = decode({PULL_PREFIX + "../../etc": one()[KEY]}).problems

    assert "12 hex digits" in problem


@pytest.mark.parametrize(
    "entry",
    [
        1,
        {"v": 1},
        {"v": 1, "id": 7},
        {**VALUE, "id": "0123456789ab"},
        {**VALUE, "id": "0123456789ab", "phase": "failed"},
    ],
    ids=["no object", "empty", "id a number", "running", "without an end"],
)
def test_bad_history_is_reported(entry: object) -> None:
    """An entry that is no ended pull is named, and costs nothing else."""
    read = decode({**one(), RECENT: orjson.dumps([entry]).decode()})

    assert (len(read.pulls), read.recent, len(read.problems)) == (1, (), 1)


@pytest.mark.parametrize("phase", ENDED)
def test_an_ended_pull_among_the_running_is_reported(phase: Phase) -> None:
    """An ended pull belongs into the history."""
    [problem] = decode(one(phase=phase.value)).problems

    assert "not one of a running pull" in problem


@pytest.mark.parametrize(
    "node",
    [
        *({"unpack": "fast"}, {"unpack": -1}, {"unpack": 1e30}, {"omitted": []}, {"omitted": True}, {"trouble": 1}),
        *({"refused": -1}, {"unread": 2**53}),
    ],
)
def test_a_bad_field_of_the_node_is_reported(node: dict[str, Any]) -> None:
    """Fields of the node itself are checked like the rest."""
    read = decode({**one(), NODE: orjson.dumps({"v": 1, **node}).decode()})

    assert len(read.pulls) == len(read.problems) == 1
    assert (read.unpack_bytes_per_second, read.omitted_pulls, read.error) == (None, 0, None)
    assert (read.refused_writes, read.failed_polls) == (0, 0)


json_values: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = (
    *("v", "phase", "start", "progress", "total", "done", "cached", "unpacked", "rate", "left", "count", "ready"),
    *("layers", "repo", "names", "target", "error", "end", "id", "unpack", "omitted", "trouble", "unread"),
)


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("depth", [900, 990, 1010, 1023])
def test_no_depth_makes_a_reader_raise(field: str, depth: int) -> None:
    """JSON that can be parsed just so may be too deep for Python to print: a problem has its type, not its text."""
    deep = f'"{field}":' + "[" * depth + "]" * depth
    value = orjson.dumps({name: reported for name, reported in VALUE.items() if name != field}).decode()[:-1]
    read = decode({KEY: f"{value},{deep}}}", RECENT: f'[{{"v":1,{deep}}}]', NODE: f'{{"v":1,{deep}}}'})

    assert read.recent == ()
    assert all(len(problem) < 250 for problem in read.problems)


keys = st.sampled_from([KEY, RECENT, NODE, SUMMARY, PULL_PREFIX]) | st.text(max_size=20).map(PULL_PREFIX.__add__)


@given(st.dictionaries(keys, st.text(max_size=200), max_size=4))
@example({KEY: "{}", RECENT: "[{}]", NODE: "{}"})
def test_no_text_makes_a_reader_raise(annotations: dict[str, str]) -> None:
    """Any text under any key is survived."""
    assert decode(annotations).pulls == ()


@given(st.dictionaries(st.sampled_from(FIELDS), json_values), st.booleans())
def test_no_value_makes_a_reader_raise(fields: dict[str, object], as_history: bool) -> None:  # noqa: FBT001
    """Wrong types in every field are survived, and what is read is within bounds."""
    value = {**VALUE, "id": "0123456789ab", **fields}
    text = orjson.dumps([value] if as_history else value).decode()
    read = decode({RECENT if as_history else KEY: text, NODE: orjson.dumps(fields).decode()})

    for each in (*read.pulls, *read.recent):
        assert 0 <= each.downloaded_bytes < 2**53
        assert each.total_bytes is None or each.downloaded_bytes <= each.total_bytes
        assert encode(NodeReport(pulls=(each,)))
