"""The limit of log lines that outsiders cause."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pulltrace.log_limiter import LogLimiter


def test_the_first_line_is_logged_at_once() -> None:
    """So is the first line of another key."""
    limiter = LogLimiter()

    assert limiter.admit("node-1", "junk", 0.0) == "junk"
    assert limiter.admit("node-2", "other junk", 0.0) == "other junk"


def test_one_line_in_ten_seconds_has_the_number_of_others() -> None:
    """Their texts make no difference."""
    limiter = LogLimiter()
    logged = [limiter.admit("node-1", f"junk {number}", number / 20) for number in range(202)]

    assert [line for line in logged if line] == ["junk 0", "junk 200 (and 199 more in the last 10 s)"]


def test_the_newest_line_is_flushed() -> None:
    """The newest line of a key appears, although another line of it was logged before."""
    limiter = LogLimiter()
    for number in range(4):
        limiter.admit("node-1", f"junk {number}", number)

    assert limiter.flush(9.9) == ()
    assert limiter.flush(10.0) == ("junk 3 (and 2 more in the last 10 s)",)
    assert limiter.flush(30.0) == ()
    assert limiter.admit("node-1", "junk 4", 30.0) == "junk 4"


def test_ever_new_keys_share_one_line() -> None:
    """Memory and lines have a limit, and a known key keeps its own line."""
    limiter = LogLimiter(max_keys=3)
    logged = [limiter.admit(f"node-{number}", "junk", 0.0) for number in range(1000)]

    assert logged == ["junk"] * 4 + [None] * 996
    assert limiter.flush(10.0) == ("junk (and 995 more in the last 10 s)",)
    assert limiter.admit("node-1", "junk", 10.0) == "junk"


def test_a_clock_that_is_set_back() -> None:
    """No line waits until the clock has caught up."""
    limiter = LogLimiter()
    limiter.admit("x", "before", 1000.0)

    assert limiter.admit("x", "after", 10.0) == "after"


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0, 5)), max_size=200))
def test_no_more_lines_than_keys_in_any_ten_seconds(lines: list[tuple[str, float]]) -> None:
    """Each line is logged or counted, in any order."""
    limiter, now = LogLimiter(max_keys=4), 0.0
    logged: list[tuple[float, str]] = []
    for key, pause in lines:
        now += pause
        logged += [(now, line) for line in limiter.flush(now)]
        logged += [(now, line) for line in [limiter.admit(key, key, now)] if line]
    logged += [(now + 11, line) for line in limiter.flush(now + 11)]

    counts = [1 + int(text.partition("(and ")[2].partition(" more")[0] or 0) for _, text in logged]
    assert sum(counts) == len(lines)
    for at, _ in logged:
        assert sum(at <= other < at + 9.999 for other, _ in logged) <= 5
