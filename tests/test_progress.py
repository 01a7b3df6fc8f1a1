"""Progress without a terminal: a line a minute, none for short work; on one: titles are text."""

import io
import re
import sys
from contextlib import redirect_stderr

import pytest

from vis_bench.commands.output import SafeStream
from vis_bench.progress import Bars, time_left


class Clock:
    """Seconds that a test sets."""

    seconds = 0.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def clock(monkeypatch):
    """A clock, where standard error is not a terminal."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    return Clock()


def test_a_line_a_minute(clock, capsys):
    with Bars(clock=clock).bar("ifc on a rather [long] title " + 60 * "x", 100) as advance:
        for second in range(0, 200, 10):
            clock.seconds = second
            advance(2)
    title = "ifc on a rather [long] title " + 60 * "x"
    expected = [f"{title}: {n} of 100 after {m} min" for n, m in ((14, 1), (26, 2), (38, 3))]
    assert capsys.readouterr().err.splitlines() == expected


def test_an_unknown_total(clock, capsys):
    with Bars(clock=clock).bar("frames", None) as advance:
        clock.seconds = 61
        advance()
    assert capsys.readouterr().err == "frames: 1 after 1 min\n"


def test_steps_name_what_comes(clock, capsys):
    with Bars(clock=clock).steps("kernels") as report:
        report(0, 9, "cpu")
        clock.seconds = 125
        report(3, 9, "triton")
    assert capsys.readouterr().err == "kernels: triton: 3 of 9 after 2 min\n"


def test_short_work_and_quiet_bars_print_nothing(clock, capsys):
    with Bars(clock=clock).bar("short", 3) as advance:
        clock.seconds = 59
        advance(3)
    quiet = Bars(quiet=True, clock=clock)
    with quiet.bar("quiet", 3) as advance, quiet.steps("quiet") as report:
        clock.seconds = 500
        advance(3)
        report(1, 2, "x")
    assert capsys.readouterr().err == ""


class Terminal(io.StringIO):
    """Standard error that says it is a terminal."""

    def isatty(self):
        return True


HOSTILE = "cats[/]\x1b]8;;https://example.org\x07 [red]\r\u202e:smile:\nnext"
SHOWN = r"cats[/]\x1b]8;;https://example.org\x07 [red]\r\u202e:smile:\nnext"


@pytest.mark.parametrize("safe", [False, True])
def test_a_title_obeys_nothing_on_a_terminal(safe, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    terminal = Terminal()
    with redirect_stderr(SafeStream(terminal) if safe else terminal):
        bars = Bars()
        with bars.bar(HOSTILE, 2) as advance:
            advance(2)
            bars.say(f"say {HOSTILE}")
            sys.stderr.write("a warning\x1b[2J\n" if safe else "")
        with bars.steps("steps") as report:
            report(1, 2, HOSTILE)
    written = terminal.getvalue()
    own_codes = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|[\r\n]")
    assert own_codes.search(written), "the bar itself needs them"
    assert SHOWN in written
    assert f"say {SHOWN}" in own_codes.sub("", written)
    assert own_codes.sub("", written).isprintable()
    assert not safe or r"a warning\x1b[2J" in written


@pytest.mark.parametrize(
    ("seconds", "done", "total", "left"),
    [(10, 1, 3, "20 s"), (600, 2, 16, "70 min"), (10, 0, 3, ""), (10, 3, 3, "")],
)
def test_the_time_that_is_left(seconds, done, total, left):
    assert time_left(seconds, done, total) == (left and f", {left} left")


def test_a_finished_bar_leaves_no_line(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    with redirect_stderr(terminal):
        bars = Bars()
        with bars.bar("resampling", 2) as advance:
            advance(2)
        with bars.steps("drawing") as report:
            report(1, 2, "x")
    # The last thing that is written erases the bar's line.
    assert re.search(r"resampling.*\x1b\[2K[^ ]*.*drawing.*\x1b\[2K\s*$", terminal.getvalue(), re.S)


def test_a_message_breaks_between_words_on_a_terminal(monkeypatch, capsys):
    words = ["word"] * 12
    path = "/a/path/" + 50 * "x"
    Bars().say(" ".join([*words, path]))
    assert capsys.readouterr().err == f"{' '.join(words)} {path}\n"
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "40")
    terminal = Terminal()
    with redirect_stderr(terminal):
        Bars().say(" ".join([*words, path]))
    lines = terminal.getvalue().splitlines()
    assert lines == [" ".join(words[:8]), " ".join(words[8:]), path]


def test_more_items_than_expected_raise_the_total(clock, capsys, monkeypatch):
    with Bars(clock=clock).bar("speed", 7) as advance:
        clock.seconds = 61
        advance(51)
    assert capsys.readouterr().err == "speed: 51 of 51 after 1 min\n"
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    with redirect_stderr(terminal), Bars().bar("speed", 7) as advance:
        advance(51)
    assert "51/51" in terminal.getvalue()
