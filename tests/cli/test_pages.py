import json
from dataclasses import replace

import pytest

from learnable import catalog, models
from learnable.runs import training, verification
from learnable.runs.run import Run
from toy import install


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    install(monkeypatch)


@pytest.mark.parametrize("what", ["topics", "models", "weights", "recipes", "datasets"])
def test_every_list_is_a_table_and_an_array_with_stems(learnable, what):
    rows = learnable("list", what, "--json").json[0]
    assert rows and all(row["stem"] for row in rows)
    said = learnable("list", what)
    assert said.code == 0 and len(said.out.splitlines()) == len(rows) + 1
    assert all(row["stem"] in said.out for row in rows)


def test_models_are_their_variants(learnable):
    rows = learnable("list", "models", "--json").json[0]
    assert {row["variant"] for row in rows} - {None} == set(models.variants())
    assert {(row["stem"], row["name"], row["target"]) for row in rows} == {
        (model.stem, model.name, model.target) for model in catalog.models()
    }
    [row] = learnable("list", "models", "ResNet50", "--json").json[0]
    assert row["parameters"] == 25_557_032 and row["weights"] == len(models.published("resnet50"))
    assert "25,557,032" in learnable("list", "models", "resnet50").out
    assert [row["variant"] for row in learnable("list", "models", "gan", "--json").json[0]] == [None]


@pytest.mark.parametrize(
    "pattern, variants", [("gpt2", {"gpt2-small"}), ("vit_base*", {"vit_b_8", "vit_b_16", "vit_b_32"})]
)
def test_models_are_found_by_the_names_of_others(learnable, pattern, variants):
    assert {row["variant"] for row in learnable("list", "models", pattern, "--json").json[0]} == variants


def test_weights_say_licence_and_preparation(learnable):
    rows = learnable("list", "weights", "torchvision/resnet50*", "--json").json[0]
    assert [row["variant"] for row in rows] == ["resnet50"] * 2 and {row["licence"] for row in rows} == {"BSD-3-Clause"}
    assert rows[0]["preprocessing"]["size"] == 224 and rows[0]["address"].startswith("https://")
    assert {row["variant"] for row in learnable("list", "weights", "gpt2-*", "--json").json[0]} <= set(
        models.variants()
    )


@pytest.mark.parametrize(
    "words, says",
    [
        ("models resnet5", "no model 'resnet5'; did you mean 'resnet50'"),
        ("models gp2", "did you mean 'gpt2'"),
        ("models gans", "no model 'gans'. There are: alexnet, "),  # GAN is a class, and no name for create
        ("weights torchvision/resnet5", "did you mean 'torchvision/resnet"),
        ("topics res*", "expected a pattern behind models or weights alone"),
    ],
)
def test_a_pattern_that_fits_nothing(learnable, words, says):
    said = learnable("list", *words.split())
    assert said.code == 2 and says in said.error


def test_a_model_has_a_page(learnable):
    told = learnable("model", "resnet50", "--json").json[0]
    assert told["stem"] == "resnet" and told["parity"]["against"]
    said = learnable("model", "resnet50")
    assert said.code == 0 and "25,557,032" in said.out and "BSD-3-Clause" in said.out and "gradients" in said.out
    assert {row["name"] for row in told["variants"]} == {"resnet50"} == {row["variant"] for row in told["weights"]}
    assert "learnable.models.create('resnet50')" in said.out and "resnet101" not in said.out
    assert {row["name"] for row in learnable("model", "resnet", "--json").json[0]["variants"]} >= {
        "resnet18",
        "resnet50",
    }
    assert [row["name"] for row in learnable("model", "gpt2", "--json").json[0]["variants"]] == ["gpt2-small"]
    said = learnable("model", "resnet5O")
    assert said.code == 2 and "did you mean 'resnet50'" in said.error


def test_a_copy_is_said(learnable, tmp_path):
    told = learnable("copy", "gan", tmp_path / "a", "--json").json[0]
    assert (
        told["package"] == "gan"
        and {"learnable", "rich", "torch"} & set(told["needs"]) == {"torch"}
        and (tmp_path / "a" / "gan" / "gan.py").is_file()
    )
    assert "the package gan" in learnable("copy", "gan", tmp_path / "b").out
    assert learnable("copy", "gan", tmp_path / "b").code == 1 and learnable("copy", "gna", tmp_path / "c").code == 2


def test_planned_topics_are_listed_when_asked_for(learnable):
    every = learnable("list", "topics", "--all", "--json").json[0]
    standing = learnable("list", "topics", "--json").json[0]
    assert len(every) == len(catalog.topics()) > len(standing) and all(row["stands"] for row in standing)
    said = learnable("list", "topics")
    assert f"{len(every) - len(standing)} more are planned: learnable list topics --all" in said.err
    assert not learnable("list", "topics", "--json").err


@pytest.mark.parametrize(
    "stem", [topic.stem for topic in catalog.topics() if topic.stands] + ["resnet", "arrays", "interview"]
)
def test_a_topic_is_a_page_and_an_object(learnable, stem):
    row = catalog.find(stem)
    found = learnable("topic", stem, "--json").json[0]
    assert found["stem"] == stem and found["recipes"] == dict(row.recipes) and found["stands"] is row.stands
    assert all(stem in catalog.find(after).prerequisites for after in found["after"])
    said = learnable("topic", stem)
    assert said.code == 0 and row.title in said.out
    assert all(f"learnable train {name}" in said.out for name in row.recipes)
    assert ("planned: there is no code" in said.out) is not row.stands


def test_a_topic_shows_what_was_measured(learnable, monkeypatch):
    measured = {
        "metric": "accuracy", "mean": 0.9, "spread": 0.01, "values": {"0": 0.89, "1": 0.91}, "seconds": [1.0, 3.0],
        "date": "2026-01-01",
    }  # fmt: skip
    monkeypatch.setattr(verification, "result", lambda name: {"digits": measured})
    assert "measured accuracy 0.9 ± 0.01 on digits, 2 seeds, 2.0 s, 2026-01-01" in learnable("topic", "autodiff").out
    assert learnable("topic", "autodiff", "--json").json[0]["results"]["autodiff"] == {"digits": measured}


def test_paths_are_listed_and_shown(learnable):
    rows = learnable("path", "--json").json[0]
    assert {row["stem"] for row in rows} == set(catalog.paths())
    for row in rows:
        found = learnable("path", row["stem"], "--json").json[0]
        assert found["stem"] == row["stem"] and found["legs"] and found["hours"] == row["hours"]
        said = learnable("path", row["stem"])
        assert all(stem in said.out for leg in found["legs"] for stem in leg["topics"])
    assert all(row["stem"] in learnable("path").out for row in rows)


@pytest.mark.parametrize(
    "words, says", [("topic gtp", "did you mean 'gpt'?"), ("path 41-hour", "did you mean '41-hours'?")]
)
def test_an_unknown_name_is_answered_with_the_nearest(learnable, words, says):
    said = learnable(*words.split())
    assert said.code == 2 and says in said.error


# Where one is


def test_at_the_beginning_it_says_how_to_begin(learnable):
    assert "You have trained nothing yet" in learnable().out and "learnable train lenet" in learnable().out


def test_afterwards_it_says_what_is_next(learnable):
    training.start("toy", {"smoke": True})
    assert "Done:  nothing yet" in learnable().out  # a trial is not a result
    training.start("toy")
    said = learnable().out
    assert "Last:  toy/" in said and "finished  accuracy" in said and "Done:  lenet" in said
    assert "Next:  learnable topic autodiff, then learnable train autodiff" in said


def test_an_interrupted_run_comes_first(learnable):
    run = training.start("toy", {"smoke": True})
    run.update(status="stopped")
    assert f"Next:  learnable train --resume {run.name}" in learnable().out
    run.update(status="running")
    assert "interrupted" in learnable().out


def test_runs_that_are_damaged_or_of_recipes_that_are_no_more_are_in_nobodys_way(learnable):
    run = training.start("toy", {"smoke": True})
    run.update(recipe="vanished")
    torn = training.start("toy", {"smoke": True})
    for step in torn.folder.glob("step-*"):
        step.rename(step.with_name(step.name + ".damaged"))
    (torn.folder / "run.json").write_text("{")
    assert "You have trained nothing yet" in learnable().out
    said = learnable("runs", "--json")
    assert said.code == 0 and len(said.json[0]) == 1 and "this run is lost" in said.err


# Runs


def test_no_runs_is_an_empty_array_and_a_sentence(learnable):
    assert learnable("runs", "--json").json == [[]]
    assert "There are no runs yet; make one: learnable train lenet" in learnable("runs").out


def test_runs_are_listed_with_their_result(learnable):
    run = training.start("toy", {"smoke": True, "seed": 3})
    [row] = learnable("runs", "--json").json[0]
    assert row["stem"] == run.name and row["run"] == str(run.folder) and row["seed"] == 3
    assert row["metrics"] == run.record["metrics"] and row["status"] == "finished"
    assert f"{run.name}\tfinished\tline\t3\t--smoke True\taccuracy" in learnable("runs").out


def test_one_run_is_its_record_and_its_curves(learnable):
    run = training.start("toy", {"smoke": True})
    found = learnable("runs", "toy", "--json").json[0]
    assert found["rows"] == run.rows() and found["metrics"] == run.record["metrics"] and found["recipe"] == "toy"
    said = learnable("runs", "toy")
    assert "valid accuracy" in said.out and "result on the test part:  accuracy" in said.out
    assert "learnable train toy --smoke" in said.out


def test_a_run_that_is_not_finished_says_how_to_go_on(learnable):
    run = training.start("toy", {"smoke": True})
    record = json.loads((run.folder / "run.json").read_text())
    del record["metrics"], record["seconds"]
    (run.folder / "run.json").write_text(json.dumps(record | {"status": "stopped"}))
    run.log.path.unlink()
    assert f"go on with: learnable train --resume {run.name}" in learnable("runs", "toy").out
    assert learnable("runs").code == learnable("runs", "--json").code == 0


def test_two_runs_are_compared_seed_by_seed(learnable):
    for hidden in (2, 8):
        for seed in (0, 1):
            last = training.start("toy", {"smoke": True, "hidden": hidden, "seed": seed})
        first = last if hidden == 2 else first
    found = learnable("runs", first.name, last.name, "--json").json[0]
    assert {"metric", "values", "mean", "interval", "p_value", "verdict"} <= set(found)
    assert [set(side) for side in found["values"]] == [{"0", "1"}] * 2
    said = learnable("runs", first.name, last.name)
    assert found["verdict"] in said.out and "difference" in said.out


def test_a_result_that_is_no_number_can_be_compared(learnable):
    one = training.start("toy", {"smoke": True})
    one.update(metrics={"accuracy": None, "loss": None})
    other = training.start("toy", {"smoke": True, "hidden": 3})
    for words in ([], ["--json"]):
        assert learnable("runs", one.name, other.name, *words).code == 0
    assert learnable("runs").code == learnable("runs", one.name).code == learnable().code == 0


def test_more_than_two_cannot_be_compared(learnable):
    said = learnable("runs", "a", "b", "c")
    assert said.code == 2 and said.error == "expected no run, one or two, came 3"


def test_a_recipe_without_settings_of_its_own_has_help(learnable, monkeypatch):
    from toy import RECIPE

    install(monkeypatch, replace(RECIPE, model_settings={}, data_settings={}))
    assert "Recipe toy: promises accuracy ≥ 0.8" in learnable("train", "toy", "--help").out
    assert Run  # the name that tests of runs go by


def test_another_librarys_name_for_a_size_shows_that_size(learnable):
    [told] = learnable("model", "vit_base_patch16_384", "--json").json
    assert told["variants"][0]["name"] == "vit_base_patch16_384" and "size=384" in told["variants"][0]["settings"]
    assert told["variants"][0]["parameters"] == models.find("vit_base_patch16_384").parameters and not told["weights"]
