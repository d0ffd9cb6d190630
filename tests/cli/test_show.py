import io
import json
import math
import re
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learnable.cli import show
from learnable.cli.show import JsonShow, TerminalShow, complain, duration, emit, note, number, say, sparkline, table


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    """Both outputs are a terminal of 80 columns."""
    out, err = Terminal(), Terminal()
    monkeypatch.setattr(show, "sys", SimpleNamespace(stdout=out, stderr=err))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return SimpleNamespace(out=out, err=err)


def test_json_is_one_line_of_ascii(capsys):
    emit({"loss": math.nan, "name": "ü☃", "path": "broken \udcff"})
    out = capsys.readouterr().out
    assert out.isascii() and out.count("\n") == 1
    assert json.loads(out) == {"loss": None, "name": "ü☃", "path": "broken \udcff"}


def test_answers_and_notices_go_their_own_ways(capsys):
    say("the answer"), note("beside it"), complain("why not")
    assert capsys.readouterr() == ("the answer\n", "beside it\nerror: why not\n")


@pytest.mark.parametrize("text", ["[bold]x[/bold]", "[/]", "[link=x]", ":smile:", "a" * 300])
def test_no_text_is_taken_for_markup_or_broken(capsys, text):
    say(text), note(text), complain(text)
    assert capsys.readouterr() == (f"{text}\n", f"{text}\nerror: {text}\n")


def test_piped_a_table_has_tabs_and_no_marks(capsys):
    table(("a", "b"), [("1", None), (2.5, "[red]x")], numbers=("a",))
    assert capsys.readouterr().out == "a\tb\n1\t\n2.5\t[red]x\n"


def test_in_a_terminal_a_table_fits_and_loses_nothing(terminal):
    table(("name", "words", "value"), [("a", "x" * 200, 1), ("[bold]", "", 22)], numbers=("value",))
    lines = terminal.out.getvalue().splitlines()
    assert terminal.out.getvalue().count("x") == 200 and "[bold]" in terminal.out.getvalue()
    assert len(lines) > 3


def test_columns_that_stay_together_cut_nothing_off_the_others(terminal):
    words = "short side 256, cut to 224, bilinear; mean 0.485, 0.456, 0.406"
    long = "timm/swin_large_patch4_window12_384.ms_in22k_ft_in1k"
    table(("weights", "licence", "value", "pictures"), [(long[:38], "BSD-3-Clause", 1, words)] * 2, numbers=("value",))
    table(("weights", "licence", "value", "pictures"), [(long, "BSD-3-Clause", 1, words)], numbers=("value",))
    out = terminal.out.getvalue()
    assert all(out.count(word) == 3 for word in words.split()) and long[:38] in out
    assert all(len(line) <= 80 for line in re.sub(r"\x1b\[[\d;]*m", "", out).splitlines())


def test_no_color_is_respected(terminal, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    complain("why not")
    assert "\x1b[31" not in terminal.err.getvalue() and "31m" not in terminal.err.getvalue()
    monkeypatch.delenv("NO_COLOR")
    complain("why not")
    assert "31m" in terminal.err.getvalue()


@given(st.lists(st.one_of(st.none(), st.floats(-1e9, 1e9)), max_size=200), st.integers(1, 60))
def test_a_curve_is_never_wider_than_asked(values, width):
    line = sparkline(values, width)
    known = [value for value in values if value is not None]
    assert len(line) == min(width, len(known)) and set(line) <= set(show.BLOCKS)


def test_a_curve_by_hand():
    assert sparkline([]) == sparkline([None]) == "" and sparkline([3.0]) == sparkline([0.0]) == "▁"
    assert sparkline([5, 5, 5]) == "▁▁▁" and sparkline([7, None, 0]) == "█▁"


@pytest.mark.parametrize(
    "seconds, text",
    [
        (None, "–"),
        (0, "0.0 s"),
        (59.9, "59.9 s"),
        (60, "1:00 min"),
        (3599, "59:59 min"),
        (3600, "1:00 h"),
        (86400, "24:00 h"),
    ],
)
def test_seconds_for_people(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    "value, text", [(None, "–"), (0.0, "0"), (1, "1"), (-0.123456, "-0.1235"), (math.nan, "nan"), (math.inf, "inf")]
)
def test_numbers_for_people(value, text):
    assert number(value) == text


RUN = SimpleNamespace(name="toy/now", folder="/somewhere/now")
DATA = SimpleNamespace(info=SimpleNamespace(data="line"), train=range(1000), test=range(10))


def test_programs_get_lines(capsys):
    watch = JsonShow()
    watch.begin(RUN, 3, 10, DATA)  # type: ignore[arg-type]
    watch.row({"step": 4, "loss": math.inf}, 10)
    watch.notice("beside it")
    out, err = capsys.readouterr()
    assert [json.loads(line) for line in out.splitlines()] == [
        {"run": "/somewhere/now", "step": 3, "steps": 10, "data": "line"}, {"step": 4, "loss": None, "steps": 10},
    ]  # fmt: skip
    assert err == "beside it\n"


def test_piped_only_milestones_are_shown(capsys):
    watch = TerminalShow()
    watch.begin(RUN, 3, 10, DATA)  # type: ignore[arg-type]
    watch.row({"step": 4, "loss": 1.0}, 10)
    watch.row({"step": 5, "loss": None, "valid": {"accuracy": 0.5}}, 10)
    watch.row({"step": 10, "loss": 0.25}, 10)
    watch.end()
    out, err = capsys.readouterr()
    assert "toy/now on line: 1,000 examples to train on, 10 to test on, from step 3" in out
    assert (
        "step 4/" not in out
        and "step 5/10  train loss –  |  valid accuracy 0.5" in out
        and "step 10/10  train loss 0.25" in out
    )
    assert not err


def test_in_a_terminal_one_line_moves(terminal):
    watch = TerminalShow()
    watch.begin(RUN, 0, 10, DATA)  # type: ignore[arg-type]
    watch.row({"step": 5, "loss": 1.0, "valid": {"loss": 2.0}}, 10)
    watch.end()
    watch.end()
    assert "/s  loss 1" in terminal.err.getvalue() and "valid loss 2" in terminal.err.getvalue()
    TerminalShow().end()


def test_a_program_that_does_not_say_how_many_steps_is_shown_too(terminal):
    watch = TerminalShow()
    watch.begin(RUN, 0, 0, DATA)  # type: ignore[arg-type]
    watch.row({"step": 5, "loss": 1.0}, 20)
    watch.end()
    assert "5/20" in terminal.err.getvalue()
