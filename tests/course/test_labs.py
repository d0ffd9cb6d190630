"""Finding, computing and recording labs; and every lesson's labs at every end of every control."""

import contextlib
import itertools
import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from learnable import catalog
from learnable.course import labs
from learnable.course.lab import Drawing, Knobs, Lab, Progress, Slider, TextField
from learnable.course.views import Axis, Bars, Field, Heatmap, Lines, Mark, Points, Series, Table, Text
from learnable.errors import CallError, LearnableError, WorldError

DEMO = Path(__file__).with_name("demo_lesson")
SIZE = Slider("size", "Size", low=1, high=9, default=3, step=1)


def write(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "lab.py").write_text(textwrap.dedent(text), encoding="utf-8")
    return folder


def test_a_lesson_without_labs_has_none(tmp_path: Path):
    assert labs.labs("lenet", tmp_path) == {}
    with pytest.raises(CallError, match="the lesson 'lenet' has no labs"):
        labs.find("lenet", "draw", tmp_path)


def test_a_lab_is_found_by_name():
    assert labs.find("demo", "square", DEMO).title == "Square?"
    with pytest.raises(CallError, match="no lab 'sqare'; did you mean 'square'"):
        labs.find("demo", "sqare", DEMO)
    with pytest.raises(CallError, match="no topic 'lenett'"):
        labs.labs("lenett")


def test_a_changed_file_is_read_anew_and_another_one_is_not(tmp_path: Path):
    text = "from learnable.course.lab import Lab\nLABS = {{'a': Lab(title='{}', controls=(), show=list)}}\n"
    folder = write(tmp_path / "one-two", text.format("first"))
    first = labs.labs("one-two", folder)
    assert labs.labs("one-two", folder) is first and first["a"].title == "first"
    write(folder, text.format("second"))
    os.utime(folder / "lab.py", ns=(1, 1))
    assert labs.labs("one-two", folder)["a"].title == "second"


@pytest.mark.parametrize(
    "text, said",
    [("def f(:\n", "cannot be run: SyntaxError"), ("1 / 0\n", "ZeroDivisionError"), ("LABS = 3\n", "came int"),
     ("", "expected LABS"), ("LABS = {'a': 1}\n", "expected LABS")],
)  # fmt: skip
def test_a_broken_file_is_told(tmp_path: Path, text: str, said: str):
    with pytest.raises(WorldError, match=said) as told:
        labs.labs("broken", write(tmp_path, text))
    assert str(tmp_path / "lab.py") in str(told.value)


def test_a_file_may_hold_dataclasses_with_annotations_as_text(tmp_path: Path):
    folder = write(tmp_path, """
        from __future__ import annotations
        from dataclasses import dataclass
        from learnable.course.lab import Lab
        @dataclass
        class State:
            steps: int = 0
        LABS = {"a": Lab(title="A?", controls=(), show=lambda state: [])}
    """)  # fmt: skip
    assert list(labs.labs("dataclass", folder)) == ["a"]


def test_prepare_tells_how_far_it_is():
    told: list[Progress] = []
    assert labs.prepare(labs.find("demo", "prepared", DEMO), told.append) == {"made": os.getpid()}
    assert [progress.text for progress in told] == ["part 0", "part 1", "part 2"]
    assert labs.prepare(labs.find("demo", "square", DEMO)) is None
    assert labs.prepare(Lab(title="A?", controls=(), show=list, prepare=lambda: 5)) == 5


def test_a_show_takes_the_defaults_for_what_is_not_named():
    lab = labs.find("demo", "everything", DEMO)
    assert labs.run_show(lab, None, {"word": "blue"}) == [Text(text="3 blue False Ada 0")]
    with pytest.raises(CallError, match="word: expected one of red, blue"):
        labs.run_show(lab, None, {"word": "green"})
    with pytest.raises(CallError, match="expected a control of size, word"):
        labs.run_show(lab, None, {"speed": 1})


def test_a_play_hears_a_knob_while_it_runs():
    lab = labs.find("demo", "three", DEMO)
    knobs = Knobs(lab.defaults())
    frames = labs.run_play(lab, None, knobs)
    assert next(frames) == [Text(text="0 3")]
    knobs.size = 5
    assert [view.text for (view,) in frames] == ["1 5", "2 5"]


def test_show_and_play_are_not_mixed_up():
    with pytest.raises(CallError, match="plays"):
        labs.run_show(labs.find("demo", "three", DEMO), None, {})
    with pytest.raises(CallError, match="does not play"):
        next(labs.run_play(labs.find("demo", "square", DEMO), None, Knobs({})))


@pytest.mark.parametrize("size, said", [(3, "came str"), (4, "with int in it"), (5, "JSON cannot say")])
def test_what_is_no_view_is_refused(size: int, said: str):
    with pytest.raises(CallError, match=said):
        labs.encode(labs.run_show(labs.find("demo", "no_views", DEMO), None, {"size": size}))


NAN = float("nan")


@pytest.mark.parametrize(
    "view, blank",
    [
        (Heatmap(values=[[NAN, NAN]]), True),
        (Heatmap(values=[[NAN, 0.0]]), False),
        (Heatmap(values=[]), False),
        (Bars(labels=["a"], values=[NAN], reference=1.0), True),
        (Lines(series=[Series(name="loss", x=[0, 1], y=[NAN, NAN])], marks=[Mark(x=0, y=1, label="here")]), True),
        (Lines(series=[Series(name="loss", x=[0], y=[NAN]), Series(name="other", x=[0], y=[1])]), False),
        (Lines(series=[], y=Axis(low=None)), False),
        (Field(values=[[float("inf")]], x=Axis(low=0, high=1), y=Axis(low=0, high=1)), True),
        (Points(clouds=[]), False),
        (Table(columns=["a"], rows=[[NAN]]), False),
        (Text(text="words"), False),
    ],
)
def test_a_view_without_any_finite_number_is_followed_by_a_warning(view, blank: bool):
    said = labs.to_json([view, Text(text="after")])
    assert [one["kind"] for one in said] == [view.kind, *(["text"] if blank else []), "text"]
    assert not blank or (said[1]["tone"] == "warning" and "no finite number" in said[1]["text"])


def test_views_beyond_the_limit_are_refused_and_the_largest_is_named():
    with pytest.raises(CallError, match=r"at most 4 MB, came [\d.]+ MB.*'all of it' has 100%"):
        labs.encode(labs.run_show(labs.find("demo", "too_large", DEMO), None, {"size": 9}))


def test_sentences_for_exceptions():
    assert labs.sentence(MemoryError()) == "it needs more memory than a lab may have"
    assert labs.sentence(SystemExit(0)) == "the lab's code tried to end the process"
    assert labs.sentence(KeyError("x")) == "KeyError: 'x'"
    assert labs.sentence(AssertionError()) == "AssertionError"


def test_a_grid_is_recorded_and_what_is_equal_is_kept_once():
    recorded = labs.recording(labs.find("demo", "everything", DEMO))
    assert recorded["kind"] == "grid" and recorded["controls"] == {"on": [False, True], "word": ["red", "blue"]}
    texts = [recorded["views"][one]["text"] for (one,) in recorded["moments"]]
    assert texts == ["3 red False Ada 0", "3 blue False Ada 0", "3 red True Ada 0", "3 blue True Ada 0"]
    assert recorded["fixed"] == {"size": 3, "name": "Ada", "picture": [[0.0] * 4] * 4}
    same = Lab(title="S?", controls=(SIZE,), show=lambda state, size: [Text(text="same")], grid={"size": (1, 2, 3)})
    assert labs.recording(same)["moments"] == [[0], [0], [0]] and len(labs.recording(same)["views"]) == 1


def test_without_a_grid_the_defaults_are_recorded():
    lab = labs.find("demo", "hangs", DEMO)
    assert [view["text"] for view in labs.recording(lab)["views"]] == ["3"]


def test_frames_are_recorded_the_same_each_time():
    lab = labs.find("demo", "train", DEMO)
    first, second = labs.recording(lab), labs.recording(lab)
    assert first == second and first["kind"] == "frames" and len(first["moments"]) == 5
    assert first["views"][first["moments"][4][1]]["text"] == "4"


def test_recordings_that_cannot_be_are_told():
    def lab(grid, show=lambda state, size: []):
        return Lab(title="G?", controls=(SIZE, Slider("b", "B", low=0, high=1, default=0)), show=show, grid=grid)

    with pytest.raises(CallError, match="size: expected a number from 1 to 9"):
        labs.recording(lab({"size": (0,)}))
    with pytest.raises(CallError, match="expected a control of size, b, came 'c'"):
        labs.recording(lab({"c": (0,)}))
    with pytest.raises(CallError, match="came 5000; record other values of size, b"):
        labs.recording(lab({"size": [1] * 50, "b": [0] * 100}))
    with pytest.raises(CallError, match="came 0"):
        labs.recording(lab({"size": []}))
    with pytest.raises(CallError, match="recorded by `frames`"):
        labs.recording(Lab(title="P?", controls=(SIZE,), play=lambda state, knobs: iter(()), grid={"size": (1,)}))


def test_a_recording_beyond_the_limit_says_what_to_cut():
    lab = labs.find("demo", "square", DEMO)
    with pytest.raises(CallError, match=r"record fewer values in its grid \(3\), or smaller views: 'square' has 100%"):
        labs.recording(lab, limit=50)
    with pytest.raises(CallError, match=r"fewer frames \(5\)"):
        labs.recording(labs.find("demo", "train", DEMO), limit=50)


# The labs of the course.

LABS = [(stem, name) for stem in labs.with_labs() for name in labs.labs(stem)]


def test_every_standing_topic_with_a_lab_file_is_covered():
    files = {path.parent.name for path in labs.lesson.folder("lenet").parents[1].rglob("lab.py")}
    assert files == {stem for stem, _ in LABS}
    assert files <= {topic.stem for topic in catalog.topics() if topic.stands}


def test_reading_the_labs_of_all_lessons_imports_nothing_heavy():
    heavy = ("torch", "pandas", "matplotlib", "sklearn", "transformers")
    code = (
        "import sys; from learnable.course import labs\n"
        "for stem in labs.with_labs():\n"
        "    labs.labs(stem)\n"
        f"    print(stem, *[name for name in {heavy!r} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == list(labs.with_labs()), "a lab.py imports what is heavy inside its functions only"


@pytest.fixture(scope="module")
def prepared():
    """Each lab is prepared once for all its tests."""
    states: dict[tuple[str, str], object] = {}

    def of(stem: str, name: str) -> tuple[Lab, object]:
        lab = labs.find(stem, name)
        if (stem, name) not in states:
            states[stem, name] = labs.prepare(lab)
        return lab, states[stem, name]

    return of


@pytest.mark.parametrize("stem, name", LABS, ids=[f"{stem}-{name}" for stem, name in LABS])
def test_every_control_at_its_ends(prepared, stem: str, name: str):
    lab, state = prepared(stem, name)
    check(lab, state, {})
    for control in lab.controls:
        # What the reader draws or types may be refused, in words; what the lab itself offers may not.
        refused = LearnableError if isinstance(control, Drawing | TextField) else ()
        for end in control.ends():
            with contextlib.suppress(refused):
                check(lab, state, {control.name: end})


@pytest.mark.parametrize("stem, name", LABS, ids=[f"{stem}-{name}" for stem, name in LABS])
def test_a_lab_says_what_is_to_be_seen_and_shows_the_same_again(prepared, stem: str, name: str):
    lab, state = prepared(stem, name)
    first, second = check(lab, state, {}), check(lab, state, {})
    assert all(one == other for one, other in zip(first, second, strict=False)), (
        "random numbers come from a generator with a seed, and a play changes nothing in `state`"
    )
    assert lab.title.endswith("?") and lab.controls
    assert all(view["summary"] or view["kind"] in ("text", "table") for view in json.loads(first[0])), (
        "for who cannot see"
    )


def check(lab: Lab, state: object, values: dict[str, object]) -> list[str]:
    """The views at these values; of a play those of its first frames, as many as come in a reasonable time."""
    if lab.show is not None:
        return [labs.encode(labs.run_show(lab, state, values))]
    frames = labs.run_play(lab, state, Knobs(lab.defaults() | lab.check(values)))
    begun, texts = time.perf_counter(), []
    for views in itertools.islice(frames, 4):
        texts.append(labs.encode(views))
        if time.perf_counter() - begun > 20 and len(texts) > 1:
            break
    return texts


@pytest.mark.slow
@pytest.mark.parametrize("stem, name", LABS, ids=[f"{stem}-{name}" for stem, name in LABS])
def test_a_lab_can_be_recorded(stem: str, name: str):
    recorded = labs.recording(labs.find(stem, name))
    assert recorded["moments"] and recorded["views"]


def test_the_lab_of_gpt_reads_byte_pairs_by_the_tokenizer_that_lies_beside(tmp_path):
    from learnable.course.lessons.transformers.gpt import lab
    from learnable.data.tokenizers import formats
    from learnable.data.tokenizers.learning import learn_bpe
    from learnable.models.language.gpt import GPT, GPTConfig

    text = "Der Koch und die Köchin. " * 9
    cutter = learn_bpe(text, 280, special=["<|endoftext|>"])
    GPT(GPTConfig(1, 16, 2, vocab=len(cutter), context=8)).save_pretrained(tmp_path)
    own = lab.of_characters(GPT(GPTConfig(1, 16, 2, vocab=3, context=8)), "abc", "ours")
    formats.save_byte_pairs(cutter, tmp_path)
    for _ in range(2):  # first GPT-2's two files, then a tokenizer.json
        reader = lab.from_folder(str(tmp_path), own)
        assert reader.unit == "token" and reader.start == cutter.numbers["<|endoftext|>"]
        assert reader.encode(text) == cutter.encode(text) and len(lab.marked(reader, text).tokens) == len(
            cutter.encode(text)
        )
        assert "".join(map(reader.piece, reader.encode("Der Koch"))) == "Der Koch" and reader.piece(999) == "#999"
        assert reader.piece(reader.encode("\ud800")[0]) == "?"  # half a character, as a browser may send it
        for name in ("vocab.json", "merges.txt"):
            (tmp_path / name).unlink(missing_ok=True)
        formats.save(cutter, tmp_path)
    formats.save(learn_bpe(text * 9 + "Zwiebeln schneiden " * 9, 300), tmp_path)
    with pytest.raises(WorldError, match="289 tokens and the model 275; they do not belong together"):
        lab.from_folder(str(tmp_path), own)
