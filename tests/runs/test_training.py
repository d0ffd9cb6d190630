"""A run from start to finish, interrupted at every place, damaged in every file."""

import json
import math
import os
import signal
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from learnable.errors import CallError, WorldError
from learnable.nn import way
from learnable.optim.factories import muon
from learnable.optim.schedules import constant
from learnable.runs import training
from learnable.runs.run import Run
from learnable.train import checkpoint
from learnable.train.recipe import Player
from toy import RECIPE, adamw, classify, install


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    install(monkeypatch)


def weights(run):
    found = checkpoint.latest(run.folder, lambda text: None)
    assert found is not None
    return found[1]


def equal(one, other):
    return all(torch.equal(one[part][name], other[part][name]) for part in one for name in one[part])


def test_a_run_leaves_what_it_promises(home):
    run = training.start("toy", {"seed": 3})
    record = json.loads((run.folder / "run.json").read_text())
    assert run.folder.parent == home / "runs" / "toy"
    assert record["status"] == "finished" and record["seed"] == 3 and record["steps"] == 40
    assert set(record["metrics"]) == {"accuracy", "loss"} and record["metrics"]["accuracy"] > 0.8
    assert {"learnable", "python", "torch", "numpy"} <= set(record["versions"])
    assert checkpoint.steps_saved(run.folder)[0] == 40
    rows, torn = run.log.rows()
    assert not torn and rows[-1]["step"] == 40 and "valid" in rows[-1]
    again = Run.open("toy")
    assert again.folder == run.folder and again.evaluate() == record["metrics"]


def test_the_same_seed_is_the_same_run():
    one, two = training.start("toy", {"seed": 1}), training.start("toy", {"seed": 1})
    assert one.folder != two.folder and equal(weights(one), weights(two))
    assert not equal(weights(one), weights(training.start("toy", {"seed": 2})))


class StopAt:
    """Asks to stop when a row of this step is shown."""

    def __init__(self, step, monkeypatch):
        self.step, self.asked = step, False
        monkeypatch.setattr(training, "asked_to_stop", self.context)

    def context(self):
        import contextlib

        return contextlib.nullcontext(lambda: self.asked)

    def begin(self, *_):
        pass

    def notice(self, message):
        pass

    def row(self, row, steps):
        self.asked = row["step"] >= self.step


class Heard(training.Nobody):
    """Keeps what was said, and when the training began."""

    def __init__(self):
        self.told = []

    def begin(self, *_):
        self.told.append("begin")

    def notice(self, message):
        self.told.append(message)


@pytest.mark.parametrize("changes", [{}, {"average": 0.9}, {"patience": 3, "every": 5}, {"clip": 0.1}])
@pytest.mark.parametrize("stop", [1, 13, 30])
def test_a_stopped_run_goes_on_bit_for_bit(stop, changes, monkeypatch):
    install(monkeypatch, replace(RECIPE, **changes))
    whole = training.start("toy", {"seed": 5})
    with monkeypatch.context() as patch, pytest.raises(training.Stopped) as stopped:
        training.start("toy", {"seed": 5}, StopAt(stop, patch))
    run = stopped.value.run
    assert run.status == "stopped"
    again = training.resume(run.name)
    assert again.folder == run.folder and again.status == "finished"
    assert equal(weights(whole), weights(again))
    assert again.record["metrics"] == whole.record["metrics"]
    strip = [{key: value for key, value in row.items() if key != "seconds"} for row in again.rows()]
    assert strip == [{key: value for key, value in row.items() if key != "seconds"} for row in whole.rows()]


def test_a_stopped_run_with_muon_goes_on_bit_for_bit(monkeypatch):
    """Its memory of matrices, and AdamW's of the rest, come back from the file."""

    class Blocks(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = torch.nn.Linear(2, 8)
            self.blocks = torch.nn.ModuleList(torch.nn.Linear(8, 8) for _ in range(2))
            self.last = torch.nn.Linear(8, 2)

        def forward(self, x):
            x = self.first(x)
            for block in self.blocks:
                x = x + block(x.tanh())
            return self.last(x)

    player = Player(classify, partial(muon, momentum=0.8), 0.02, constant)
    install(monkeypatch, replace(RECIPE, players=(player,), model=lambda info, hidden: Blocks()))
    whole = training.start("toy", {"seed": 5})
    with monkeypatch.context() as patch, pytest.raises(training.Stopped) as stopped:
        training.start("toy", {"seed": 5}, StopAt(13, patch))
    again = training.resume(stopped.value.run.name)
    assert equal(weights(whole), weights(again))
    memory = {name.rpartition("/")[2] for name in weights(again)["optimizer"]}
    assert {"memory", "step", "mean", "square"} <= memory


def test_resuming_a_finished_run_changes_nothing():
    run = training.start("toy")
    before = (run.folder / "run.json").read_text()
    assert training.resume("toy").record["metrics"] == run.record["metrics"]
    assert (run.folder / "run.json").read_text() == before


def interrupted(monkeypatch, stop=25):
    with monkeypatch.context() as patch, pytest.raises(training.Stopped) as stopped:
        training.start("toy", {"seed": 5}, StopAt(stop, patch))
    return stopped.value.run


def test_a_torn_run_json_is_mended_from_the_checkpoint(monkeypatch):
    whole = training.start("toy", {"seed": 5})
    run = interrupted(monkeypatch)
    (run.folder / "run.json").write_text((run.folder / "run.json").read_text()[:40])
    told = []
    assert Run(run.folder, told.append).recipe_name == "toy"
    assert "the copy in step-" in told[0]
    assert equal(weights(training.resume(run.name)), weights(whole))
    assert json.loads((run.folder / "run.json").read_text())["status"] == "finished"


def test_a_torn_checkpoint_is_passed_over_and_kept_aside(monkeypatch):
    whole = training.start("toy", {"seed": 5})
    run = interrupted(monkeypatch)
    newest = checkpoint.steps_saved(run.folder)[0]
    file = run.folder / f"step-{newest}" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    assert equal(weights(training.resume(run.name)), weights(whole))
    assert (run.folder / f"step-{newest}.damaged").is_dir()


def test_torn_metrics_are_cut_and_written_again(monkeypatch):
    whole = training.start("toy", {"seed": 5})
    run = interrupted(monkeypatch)
    with run.log.path.open("a") as file:
        file.write('{"step": 26, "lo')
    again = training.resume(run.name)
    assert [row["step"] for row in again.rows()] == [row["step"] for row in whole.rows()]


def test_a_lost_run_says_so(monkeypatch):
    run = training.start("toy")
    for step in checkpoint.steps_saved(run.folder):
        checkpoint.set_aside(run.folder / f"step-{step}")
    (run.folder / "run.json").write_text("{")
    with pytest.raises(WorldError, match="this run is lost"):
        Run(run.folder)


def test_two_cannot_train_one_run(monkeypatch):
    run = interrupted(monkeypatch)
    with run.lock(), pytest.raises(WorldError, match="trained by another process"):
        training.resume(run.name)
    assert training.resume(run.name).status == "finished"


def test_changed_data_is_noticed(monkeypatch):
    run = interrupted(monkeypatch)
    install(monkeypatch, replace(RECIPE, data_settings={"count": 255}))
    with pytest.raises(WorldError, match="is not what it was when the run began"):
        training.resume(run.name)


def test_a_loss_that_is_no_number_ends_the_run(monkeypatch):
    def explode(model, batch):
        return {"total": classify(model, batch)["total"] * math.inf}

    install(monkeypatch, replace(RECIPE, players=(Player(explode, adamw, 1e-2, constant),)))
    with pytest.raises(training.Diverged, match=r"no longer a number at step 1.*smaller --learning-rate"):
        training.start("toy")
    run = Run.open("toy")
    assert run.status == "diverged" and run.rows()[-1]["loss"] is None


def test_patience_stops_early_and_keeps_the_best(monkeypatch):
    """At a rate of 0 nothing gets better after the first evaluation."""
    install(monkeypatch, replace(RECIPE, players=(Player(classify, adamw, 1e-30, constant),), patience=2))
    run = training.start("toy")
    assert run.record["steps"] == 30 and run.status == "finished"
    assert "best" in weights(run)
    assert Run.open("toy").evaluate() == run.record["metrics"]


def test_a_batch_larger_than_the_data_is_cut_and_said(monkeypatch):
    heard = Heard()
    training.start("toy", {"count": 20}, heard)
    assert "only 20 examples to train on: the batch is 20, not 32" in heard.told[0]


@pytest.mark.parametrize(
    "overrides, message",
    [
        ({"steps": 0}, "expected --steps to be greater than 0, came 0"),
        ({"learning_rate": -1.0}, "expected --learning-rate to be greater than 0"),
        ({"learning_rate": math.nan}, "expected --learning-rate"),
        ({"average": 1.0}, "expected --average to be between 0 and 1"),
        ({"steps": 5, "epochs": 1.0}, "say the same thing twice"),
        ({"hiden": 5}, "no flag of recipe toy: '--hiden'; did you mean '--hidden'"),
        ({"accumulate": 3}, "choose a multiple of 3"),
        ({"device": "tpu"}, "expected a device"),
    ],
)
def test_wrong_wishes_are_refused_before_anything_is_written(overrides, message, home):
    with pytest.raises(CallError, match=message):
        training.start("toy", overrides)
    assert not (home / "runs" / "toy").exists()


def test_unknown_names_suggest():
    with pytest.raises(CallError, match="did you mean 'lenet'"):
        training.start("lenett")
    with pytest.raises(CallError, match="did you mean 'toy'|no recipe"):
        Run.open("toyy")
    with pytest.raises(WorldError, match="there is no run of toy yet"):
        Run.open("toy")
    with pytest.raises(WorldError, match="no run toy/yesterday"):
        Run.open("toy/yesterday")


def test_settings_reach_model_and_data():
    run = training.start("toy", {"hidden": 3, "count": 64, "epochs": 2.0, "batch_size": 16})
    assert run.record["steps"] == 8 and run.record["data"]["train"] == 64
    assert sum(p.numel() for p in Run.open("toy").model.parameters()) == 3 * 3 + 2 * 4


def test_smoke_is_a_matter_of_steps():
    assert training.start("toy", {"smoke": True}).record["steps"] == 4


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="kill -9 is POSIX's")
def test_a_run_that_is_killed_again_and_again_ends_where_the_untouched_one_does(tmp_path):
    """Three times only; `python tests/runs/kill.py --times 30` is for those who want to know."""
    sys.path.insert(0, str(Path(__file__).parent))
    try:
        from kill import SMALL, torture
    finally:
        sys.path.pop(0)
    kills, ends = torture(SMALL, 3, seed=0, folder=tmp_path)
    assert len(kills) == 3 and ends and all(ends)


def test_a_run_goes_on_with_as_many_processes_as_began_it(monkeypatch):
    run = interrupted(monkeypatch)
    run.update(machine={**run.record["machine"], "processes": 2})
    with pytest.raises(
        CallError, match=r"begun by 2 processes.*torchrun --nproc-per-node 2 -m learnable train --resume"
    ):
        training.resume(run.name)


def test_a_trial_run_is_not_what_a_recipes_name_means():
    whole = training.start("toy")
    training.start("toy", {"smoke": True})
    assert Run.open("toy").folder == whole.folder


def test_a_run_that_fails_at_its_first_step_leaves_no_folder(monkeypatch, home):
    def wrong(model, batch):
        raise CallError("cannot")

    install(monkeypatch, replace(RECIPE, players=(Player(wrong, adamw, 1e-2, constant),)))
    with pytest.raises(CallError, match="cannot"):
        training.start("toy")
    assert list((home / "runs" / "toy").iterdir()) == []


def test_another_text_is_measured_with_the_runs_own_letters(tmp_path):
    """A text that has fewer letters has other numbers for them; what counts are the run's."""
    whole, part = tmp_path / "whole.txt", tmp_path / "part.txt"
    whole.write_text("the quick brown fox jumps over the lazy dog. " * 60)
    part.write_text("the lazy dog. " * 120)
    settings = {"depth": 1, "width": 32, "heads": 2, "steps": 60, "context": 16, "batch_size": 16, "every": 60}
    run = training.start("gpt", {"data": str(whole), **settings})
    own, other = run.evaluate()["loss"], run.evaluate(str(part))["loss"]
    assert own < 1.5 and other < 2.5  # with foreign numbers it is above 5


def test_a_stopped_run_on_byte_pairs_goes_on_bit_for_bit(tmp_path, monkeypatch):
    """By the tokenizer that is written down: how one is learned may change, what a run has learned by may not."""
    text, other = tmp_path / "text.txt", tmp_path / "other.txt"
    text.write_text("the quick brown fox jumps over the lazy dog. " * 90)
    other.write_text("日本語 the lazy dog! " * 120, encoding="utf-8")
    wishes = {"data": str(text), "tokenizer": "bpe", "vocab": 280, "depth": 1, "width": 16, "heads": 2, "steps": 20,
              "context": 8, "batch_size": 4, "every": 5}  # fmt: skip
    whole = training.start("gpt", wishes)
    assert whole.model.config.vocab == whole.info.vocab == 280
    with monkeypatch.context() as patch, pytest.raises(training.Stopped) as stopped:
        training.start("gpt", wishes, StopAt(13, patch))
    monkeypatch.setattr("learnable.data.tokens.learned", None)
    again = training.resume(stopped.value.run.name)
    assert equal(weights(whole), weights(again)) and again.record["metrics"] == whole.record["metrics"]
    assert again.evaluate() == again.record["metrics"] and again.record["metrics"]["characters_per_token"] > 2
    assert again.evaluate(str(other))["characters_per_token"] < 2  # of characters that it never saw


def test_what_is_settled_when_a_run_begins_is_written_down(monkeypatch):
    """The machine may be another one when the run is opened: what was found then must hold now."""
    asked = []

    def settle(source, settings, say):
        asked.append((source, dict(settings)))
        say("found some")
        return {"hidden": 5} if settings["hidden"] == 0 else {}

    install(monkeypatch, replace(RECIPE, settle=settle, model_settings={"hidden": 0}))
    run = training.start("toy", {"steps": 2})
    assert run.record["settled"] == {"hidden": 5} and run.record["overrides"] == {"steps": 2}
    assert asked == [(None, {"hidden": 0, "count": 256})]
    assert Run.open("toy").model[0].out_features == 5 and len(asked) == 1
    assert "settled" not in training.start("toy", {"steps": 2, "hidden": 3}).record


def test_what_the_model_begins_with(monkeypatch):
    """It is put in once: a run that goes on has learned more since."""
    begun = []

    def start(model, info, machine, seed, say, *, value):
        begun.append((info.classes, machine.world, seed))
        torch.nn.init.constant_(model[0].weight, value)

    recipe = replace(RECIPE, start=start, start_settings={"value": 0.5}, steps=4, every=2)
    frozen = replace(recipe, players=(Player(classify, adamw, 1e-9),))
    install(monkeypatch, frozen)
    run = training.start("toy", {"seed": 7, "value": 0.25})
    assert begun == [(("below", "above"), 1, 7)]
    assert torch.allclose(Run.open("toy").model[0].weight, torch.tensor(0.25))
    run.update(status="stopped")
    training.resume(run.name)
    assert len(begun) == 1


def test_what_was_settled_is_said_once_the_data_are_there(tmp_path, monkeypatch):
    """Where they are missing, that is all there is to say."""

    def settle(source, settings, say):
        say("there are no weights")
        return {}

    def data(source=None, *, count):
        if source:
            raise WorldError(f"there is no folder {source}")
        return RECIPE.data(source, count=count)

    install(monkeypatch, replace(RECIPE, settle=settle, data=data))
    heard = Heard()
    with pytest.raises(WorldError, match="there is no folder nowhere"):
        training.start("toy", {"data": "nowhere"}, heard)
    assert heard.told == []
    training.start("toy", {"smoke": True}, heard)
    assert heard.told == ["there are no weights", "begin"]


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")
def test_a_signal_ends_at_once_what_has_nothing_to_save_yet(monkeypatch, home):
    """While a model gets ready the first one is obeyed; while it is trained it saves and stops."""

    def start(model, info, machine, seed, say):
        signal.raise_signal(signal.SIGINT)
        pytest.fail("it went on")

    install(monkeypatch, replace(RECIPE, start=start))
    with pytest.raises(KeyboardInterrupt):
        training.start("toy")
    assert list((home / "runs" / "toy").iterdir()) == []

    def interrupted(model, batch):
        signal.raise_signal(signal.SIGINT)
        return classify(model, batch)

    install(monkeypatch, replace(RECIPE, players=(Player(interrupted, adamw, 1e-2, constant),)))
    with pytest.raises(training.Stopped) as stopped:
        training.start("toy")
    assert checkpoint.steps_saved(stopped.value.run.folder) == [1]


@pytest.fixture
def fast_bf16(monkeypatch):
    """A machine that multiplies bfloat16, and a model that is large enough for it."""
    monkeypatch.setattr(way, "LARGE", 1)
    monkeypatch.setattr(way, "bf16_is_fast", lambda kind: True)


@pytest.mark.parametrize(
    "asked, precision", [({}, "bf16"), ({"plain": True}, "fp32"), ({"precision": "fp32"}, "fp32")], ids=str
)
def test_the_way_that_was_chosen_is_in_the_record(fast_bf16, asked, precision):
    told = training.start("toy", {"smoke": True, **asked}).record["machine"]
    assert told["precision"] == precision and told["memory_format"] == "contiguous" and told["threads"] >= 1


def test_a_run_goes_on_in_the_way_in_which_it_began(fast_bf16, monkeypatch):
    run = interrupted(monkeypatch)
    assert run.record["machine"]["precision"] == "bf16"
    run.update(
        machine={**run.record["machine"], "memory_format": "channels_last"}
    )  # which this machine would not choose
    monkeypatch.setattr(way, "bf16_is_fast", lambda kind: False)
    told = training.resume(run.name).record["machine"]
    assert (told["precision"], told["memory_format"]) == ("bf16", "channels_last")
