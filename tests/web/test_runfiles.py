"""Runs read without torch say what `Run` says of them."""

import json

import pytest
from filelock import FileLock

from learnable.errors import CallError, WorldError
from learnable.runs import training
from learnable.runs.lock import busy
from learnable.runs.run import Run
from learnable.train.batches import stream
from learnable.web import runfiles
from toy import install

assert stream  # torch's half of the world may be imported here, not in the server


@pytest.fixture
def run(monkeypatch):
    install(monkeypatch)
    return training.start("toy", {"seed": 1})


def test_a_run_is_read_as_the_library_reads_it(run, home):
    assert runfiles.record(run.folder) == run.record and runfiles.status(run.folder) == run.status == "finished"
    assert runfiles.rows(run.folder) == run.rows()
    assert runfiles.folder_of(home, "toy", run.folder.name) == run.folder
    about = runfiles.details(run.folder)
    assert about["steps"] == about["step"] == 40 and about["history"]["valid.loss"]["x"] == [10, 20, 30, 40]


def test_running_is_who_holds_the_lock(run):
    run.update(status="running")
    assert runfiles.status(run.folder) == Run(run.folder).status == "interrupted"
    with FileLock(run.folder / ".lock"):
        assert busy(run.folder) and runfiles.status(run.folder) == "running"
    assert not busy(run.folder)


def test_a_torn_record_is_read_from_the_newest_checkpoint(run):
    (run.folder / "run.json").write_text("{")
    assert runfiles.record(run.folder)["seed"] == 1
    for file in run.folder.glob("step-*/state.json"):
        file.write_text("[]")
    with pytest.raises(WorldError, match="damaged"):
        runfiles.record(run.folder)


def test_the_history_is_thinned_to_what_a_screen_shows():
    rows = [{"step": step, "loss": 1 / step, "seconds": step / 10} for step in range(1, 5001)]
    rows[9]["valid"] = {"loss": 0.5, "accuracy": 0.1}
    found = runfiles.curves(rows)
    assert len(found["loss"]["x"]) == len(found["loss"]["y"]) == 500
    assert found["loss"]["x"][0] == 1 and found["loss"]["x"][-1] == 5000
    assert found["valid.accuracy"] == {"x": [10], "y": [0.1]} and "seconds" not in found


@pytest.mark.parametrize("rows, steps, left", [
    ([], 100, None), ([{"step": 10, "seconds": 5.0}], 100, 45.0), ([{"step": 10, "seconds": 5.0}], 0, None),
    ([{"step": 10, "seconds": 100.0}, {"step": 20, "seconds": 101.0}], 100, 8.0), ([{"step": 100, "seconds": 9.0}], 100, 0.0),
])  # fmt: skip
def test_the_time_left_is_by_the_pace_of_the_last_rows(rows, steps, left):
    assert runfiles.seconds_left(rows, steps) == left


def test_a_tail_gives_each_line_once_and_all_of_a_file_that_was_cut_back(tmp_path):
    file = tmp_path / "metrics.jsonl"
    tail = runfiles.Tail(tmp_path)
    assert tail.read() == []
    file.write_text('{"step": 1}\n{"step": 2}\n{"st')
    assert [row["step"] for row in tail.read()] == [1, 2]
    with file.open("a") as more:
        more.write('ep": 3}\n')
    assert [row["step"] for row in tail.read()] == [3] and not tail.again
    assert tail.read() == []
    (tmp_path / "new").write_text('{"step": 1}\n{"step": 2}\n')
    (tmp_path / "new").replace(file)
    assert [row["step"] for row in tail.read()] == [1, 2] and tail.again


@pytest.mark.parametrize(
    "recipe, when",
    [("..", "x"), ("lenet", ".."), ("lenet", "../x"), ("", ""), ("lenet", ".part"), ("a/b", "c"), ("lenet\n", "x")],
)
def test_what_is_no_name_is_no_run(home, recipe, when):
    with pytest.raises(CallError, match="no run"):
        runfiles.folder_of(home, recipe, when)


BROKEN = [
    "", "[]", "{}", '{"step": 1, "kind": "images"}',
    '{"step": 1, "kind": "images", "items": [{}], "wrong": [], "right": 1, "asked": 2}',
    '{"step": 1, "kind": "points", "points": 3, "real": 4}',
    '{"step": 1, "kind": "lines", "items": [], "right": 0, "asked": 0}',
]  # fmt: skip


@pytest.mark.parametrize("facts", BROKEN)
def test_damaged_examples_are_none(tmp_path, facts):
    (tmp_path / "examples.json").write_text(facts)
    assert runfiles.examples(tmp_path) is None


def test_examples_become_views(tmp_path):
    item = {"pixels": [[0, 255], [9, 9]], "truth": "3", "prediction": "8", "probability": 0.75}
    facts = {"step": 5, "kind": "images", "items": [item], "wrong": [item], "asked": 2, "right": 1}
    (tmp_path / "examples.json").write_text(json.dumps(facts))
    shown = runfiles.examples(tmp_path)
    assert shown["step"] == 5 and [view["kind"] for view in shown["views"]] == ["images", "images"]
    picture = shown["views"][0]["items"][0]
    assert picture["label"] == "8 ✗" and picture["note"] == "75%, is 3" and picture["color"] == "backward"


def test_a_recording_says_what_the_socket_would_have_said(run):
    messages = runfiles.recording(run.folder)["messages"]
    assert messages[0]["status"] == "running" and messages[-1]["status"] == "finished"
    steps = [row["step"] for message in messages for row in message.get("rows", ())]
    assert steps == [row["step"] for row in run.rows()] and messages[-1]["metrics"] == run.record["metrics"]


def test_a_model_that_only_reads_is_not_asked_to_write():
    assert runfiles.uses({"tokenizer": {"model": {}}}) == {"generate": "text"}
    assert runfiles.uses({"tokenizer": {"model": {}}, "classes": ["a", "b"]}) == {}
    assert runfiles.uses({"tokenizer": {"model": {}}, "more": {"unigram": {"loss": 1.0}}}) == {}
