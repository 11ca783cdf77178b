"""The Lease contract: what an agent says comes back, whatever is written survives, and nothing grows too large."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pulltrace.pulls.lease_format.annotations import (
    HARD_BYTES,
    MAX_PULLS,
    NODE,
    PULL_PREFIX,
    READ_BYTES,
    RECENT,
    SUMMARY,
    USUAL_BYTES,
    decode,
    encode,
    summary,
)
from pulltrace.pulls.model import Layer, LayerState, NodeReport, Phase, Pull
from tests.builders.pulls import START, ended, layer, pull, resolving
from tests.builders.pulls import large_pull as image
from tests.pulls.strategies import ENDED, history, reports, running

KEY = PULL_PREFIX + "0123456789ab"
VALUE: dict[str, Any] = {"v": 1, "phase": "downloading", "start": "2026-11-23T15:04:05.678Z"}


def size(annotations: Mapping[str, str]) -> int:
    return sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())


TYPICAL_NAMES = (
    "docker.io/library/postgres",
    "docker.io/grafana/grafana",
    "quay.io/prometheus/prometheus",
    "registry.k8s.io/ingress-nginx/controller",
    "ghcr.io/company/team/backend",
)
TYPICAL_SIZES = (29_724_688, 5_120_331, 87_123, 1_231, 32, 618, 204_123_456, 9_876_543, 120, 4_521)


def typical_layers(pull: Pull) -> tuple[Layer, ...]:
    """The layers of a pull, with sizes as images have them: some large, many tiny."""
    return tuple(
        replace(each, size_bytes=size, downloaded_bytes=size // 2 if each.state is LayerState.DOWNLOADING else size)
        for each, size in zip(pull.layers, TYPICAL_SIZES, strict=True)
    )


def one(**fields: Any) -> dict[str, str]:
    """The annotations of a node with one pull, which has these fields."""
    return {KEY: orjson.dumps({**VALUE, **fields}).decode()}


# -- there and back --------------------------------------------------------------------------------


@given(reports)
def test_what_a_lease_carries_comes_back_equal(report: NodeReport) -> None:
    """A reader sees what the agent said: totals, times, layers, history, trouble."""
    assert decode(encode(report)) == report


def test_what_a_lease_does_not_carry_is_rounded() -> None:
    """Digests are cut to 12 digits, times to tenths of a second, rates to bytes."""
    told = pull(
        layers=(layer("0123456789abcdef" + "0" * 48),),
        layer_count=1,
        progressed_at=START + 1.2345,
        bytes_per_second=1000.6,
        seconds_left=12.34,
    )
    [read] = decode(encode(NodeReport(pulls=(told,)))).pulls

    assert read.layers[0].digest == "sha256:0123456789ab"
    assert read.progressed_at == pytest.approx(START + 1.2)
    assert (read.bytes_per_second, read.seconds_left) == (1001, 12.3)


@pytest.mark.parametrize(
    ("digest", "text"),
    [("sha256:" + "ab" * 32, "ab" * 32), ("sha512:" + "ab" * 64, "sha512:" + "ab" * 64)],
    ids=["sha256", "another algorithm"],
)
def test_what_a_reference_resolved_to_is_carried_whole(digest: str, text: str) -> None:
    """Every digit of it; only the name of the usual algorithm is left out."""
    annotations = encode(NodeReport(pulls=(pull(target_digest=digest),)))

    assert orjson.loads(annotations[PULL_PREFIX + pull().id])["target"] == text
    assert decode(annotations).pulls[0].target_digest == digest


def test_a_pull_that_ended_at_once_is_in_the_history() -> None:
    """An end in the same tenth of a second as the start is an end."""
    told = ended(1, ended_at=START, progressed_at=START)

    assert decode(encode(NodeReport(recent=(told,)))).recent[0].ended_at == START


def test_a_change_of_one_pull_changes_one_key() -> None:
    """A patch carries the pull that moved and the summary, and no other pull."""
    before = encode(NodeReport(pulls=(image(1, 3), image(2, 3))))
    after = encode(NodeReport(pulls=(image(1, 3), image(2, 3, downloaded_bytes=99_999_999))))

    assert {key for key in after if after[key] != before.get(key)} == {
        PULL_PREFIX + image(2, 3).id,
        SUMMARY,
    }


def test_an_idle_node_says_little() -> None:
    """A node without pulls takes two short annotations."""
    assert encode(NodeReport()) == {SUMMARY: "idle", NODE: '{"v":1}'}


# -- the summary -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("report", "line"),
    [
        (NodeReport(), "idle"),
        (
            NodeReport(
                pulls=(
                    image(1, 1, repositories=("docker.io/pytorch/pytorch",), total_bytes=100, downloaded_bytes=61),
                    pull(2, phase=Phase.UNPACKING, repositories=("docker.io/library/nginx",)),
                ),
                recent=(ended(3, phase=Phase.FAILED),),
            ),
            "2 pulling (pytorch/pytorch 61% 33 MiB/s ~42s, nginx unpacking), 1 failed in the last 30 min",
        ),
        (NodeReport(pulls=(resolving(),)), "1 pulling (an image resolving)"),
        (NodeReport(recent=(ended(1), ended(2))), "idle, 2 completed in the last 30 min"),
        (
            NodeReport(trouble="containerd does not answer"),
            "containerd does not answer; last seen: idle",
        ),
        (
            NodeReport(pulls=tuple(resolving(n) for n in range(5))),
            "5 pulling (an image resolving, an image resolving, an image resolving, 2 more)",
        ),
    ],
)
def test_the_summary_is_one_line_for_people(report: NodeReport, line: str) -> None:
    """`kubectl describe lease` says what the node does."""
    assert summary(report) == line


# -- budgets ---------------------------------------------------------------------------------------


def test_a_typical_lease_takes_three_kib() -> None:
    """Five images of ten layers take at most 3 KiB, with every layer."""
    pulls = tuple(image(number, 10, repositories=(name,)) for number, name in enumerate(TYPICAL_NAMES))
    annotations = encode(NodeReport(pulls=tuple(replace(each, layers=typical_layers(each)) for each in pulls)))
    print(f"a Lease of 5 images with 10 layers each: {size(annotations)} bytes")

    assert size(annotations) <= 3 * 1024
    assert [len(each.layers) for each in decode(annotations).pulls] == [10] * 5


@pytest.mark.parametrize("layer_count", [1, 10, 120])
@pytest.mark.parametrize("pulls", [1, 10, 110, 1000])
def test_a_lease_never_takes_more_than_16_kib(pulls: int, layer_count: int) -> None:
    """Whatever a node pulls, and however long its history and its names are, its Lease stays small."""
    name = "registry.example.com/" + "n" * 234
    report = NodeReport(
        pulls=tuple(image(number, layer_count, repositories=(name,)) for number in range(pulls)),
        recent=tuple(ended(number, names=(name, name + "2"), error="ü" * 400) for number in range(60)),
        trouble="例" * 400,
    )
    annotations = encode(report)

    assert size(annotations) <= HARD_BYTES
    read = decode(annotations)
    assert read.problems == ()
    assert read.omitted_pulls + len(read.pulls) == pulls


long_names = st.integers(1, 255).map(lambda length: ("registry.example.com/" + "n" * 255)[:length])
crowded_pulls = st.builds(
    lambda number, count, name, digest: image(number, count, repositories=(name,), names=(name,), target_digest=digest),
    st.integers(0, 16**6),
    st.integers(0, 100),
    long_names,
    st.none() | st.just("sha256:" + "ab" * 32) | st.just("sha512:" + "ab" * 64),
)
crowds = st.lists(crowded_pulls, max_size=110, unique_by=lambda pull: pull.id)
histories = st.lists(
    st.builds(
        lambda number, name, error: ended(number, phase=Phase.FAILED, names=(name,), error=error),
        st.integers(0, 16**6), long_names, st.none() | st.text(max_size=400),
    ),
    max_size=60,
)  # fmt: skip


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)
@given(crowds, histories, st.none() | st.text(max_size=400))
def test_no_node_makes_a_lease_larger_than_16_kib(pulls: list[Pull], recent: list[Pull], trouble: str | None) -> None:
    """110 pods, 100 layers, names of 255 characters, messages in any script: in bounds, readable, and every pull told or counted."""
    annotations = encode(NodeReport(pulls=tuple(pulls), recent=tuple(recent), trouble=trouble))
    read = decode(annotations)

    assert size(annotations) <= HARD_BYTES
    assert (read.problems, len(read.pulls) + read.omitted_pulls) == ((), len(pulls))


@pytest.mark.parametrize(("pulls", "layer_count"), [(0, 0), (1, 10), (5, 10), (5, 120), (12, 40)])
def test_a_lease_usually_takes_8_kib(pulls: int, layer_count: int) -> None:
    """Layers and old history give way long before a Lease becomes a burden."""
    report = NodeReport(
        pulls=tuple(image(number, layer_count) for number in range(pulls)),
        recent=tuple(ended(number) for number in range(60)),
    )

    assert size(encode(report)) <= USUAL_BYTES


@pytest.mark.parametrize("layer_count", [3, 40, 120])
def test_totals_stay_exact_when_layers_are_left_out(layer_count: int) -> None:
    """What gives way are layers; bytes and counts of a pull do not."""
    told = [image(number, layer_count) for number in range(10)]
    read = decode(encode(NodeReport(pulls=tuple(told)))).pulls

    assert [replace(each, layers=()) for each in read] == [replace(each, layers=()) for each in told]


def test_finished_and_waiting_layers_give_way_first() -> None:
    """In a large image the layers that move are still shown."""
    shown = decode(encode(NodeReport(pulls=tuple(image(number, 30) for number in range(8))))).pulls[0].layers

    assert {each.state for each in shown} == {
        LayerState.DOWNLOADING,
        LayerState.DOWNLOADED,
        LayerState.UNPACKING,
    }


def test_layers_give_way_before_pulls() -> None:
    """Many pulls are all told, without their layers."""
    read = decode(encode(NodeReport(pulls=tuple(image(number, 30) for number in range(30)))))

    assert [len(each.layers) for each in read.pulls] == [0] * 30


def test_running_pulls_beyond_the_room_are_counted() -> None:
    """A node with 110 pulls tells the oldest, and how many more there are."""
    told = tuple(image(number, 30, started_at=START + number) for number in range(110))
    read = decode(encode(NodeReport(pulls=told)))

    assert [each.id for each in read.pulls] == [each.id for each in told[: len(read.pulls)]]
    assert read.omitted_pulls == 110 - len(read.pulls) > 0


def test_the_oldest_history_gives_way() -> None:
    """A long history loses its end, and nothing of the pulls that run."""
    told = tuple(ended(number, ended_at=START + 1000 - number) for number in range(60))
    read = decode(encode(NodeReport(pulls=(image(1, 10),), recent=told)))

    assert [each.id for each in read.recent] == [each.id for each in told[: len(read.recent)]]
    assert 0 < len(read.recent) < 60
    assert len(read.pulls[0].layers) == 10


anything = st.text(max_size=1200)


@given(st.lists(anything, max_size=20), anything, running(), history())
def test_what_is_written_can_be_read(texts: list[str], error: str, run: Pull, end: Pull) -> None:
    """Names and messages of any kind never cost a pull: a reader has no problem with what an agent writes."""
    report = NodeReport(
        pulls=(replace(run, repositories=tuple(texts), names=tuple(texts)),),
        recent=(replace(end, names=tuple(texts), error=error),),
        trouble=error,
    )
    read = decode(encode(report))

    assert (read.problems, len(read.pulls), len(read.recent)) == ((), 1, 1)


# -- other versions, and others who write ----------------------------------------------------------


def test_unknown_keys_are_ignored() -> None:
    """What a newer agent adds does not disturb."""
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
    annotations = encode(NodeReport(pulls=(image(1, 2), image(2, 2)), recent=(ended(3),)))
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
    [told] = orjson.loads(encode(NodeReport(recent=(ended(1),)))[RECENT])
    told["error"] = "no\x1b[31m \u202emanifest\n" + "x" * 2000
    [read] = decode({RECENT: orjson.dumps([told]).decode()}).recent

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
    "16 KiB": "x" * (HARD_BYTES + 1),
}


@pytest.mark.parametrize("key", [KEY, RECENT, NODE])
@pytest.mark.parametrize("text", JUNK.values(), ids=JUNK)
def test_junk_is_reported(key: str, text: str) -> None:
    """Whatever a value is, reading it does not raise, and says which key cannot be used."""
    read = decode({key: text})

    assert (read.pulls, read.recent) == ((), ())
    if not (key == RECENT and text == "[]"):
        assert read.problems[0].startswith(key)


def test_256_kib_of_junk_is_not_looked_at() -> None:
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
def test_a_bad_word_about_the_node_is_reported(node: dict[str, Any]) -> None:
    """What was said of the node itself is checked like the rest."""
    read = decode({**one(), NODE: orjson.dumps({"v": 1, **node}).decode()})

    assert len(read.pulls) == len(read.problems) == 1
    assert (read.unpack_bytes_per_second, read.omitted_pulls, read.trouble) == (None, 0, None)
    assert (read.refused_writes, read.failed_looks) == (0, 0)


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
    """JSON that can be parsed just so may be too deep for Python to print: a problem says what it is, not all of it."""
    deep = f'"{field}":' + "[" * depth + "]" * depth
    value = orjson.dumps({name: told for name, told in VALUE.items() if name != field}).decode()[:-1]
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
