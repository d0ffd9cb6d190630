import json

import pytest
import torch

from learnable.data.examples import Info
from learnable.data.words import SPECIAL
from learnable.errors import CallError, WorldError
from learnable.models.language.bert import BERTConfig, MaskedLM
from learnable.recipes.transformers.bert import CLASSIFY, RECIPE, classifier, example, filler, known, run_of, texts
from learnable.runs import training
from learnable.runs.run import Run

INFO = Info("toy", classes=("a", "b"), context=16, more={"vocabulary": [*SPECIAL, *"abcdefg"]})
SMALL = {"depth": 1, "width": 16, "heads": 2}


def test_the_models_follow_from_the_data():
    assert filler(INFO, **SMALL).config == BERTConfig(**SMALL, vocab=12, context=16)
    model = classifier(INFO, **SMALL)
    assert model(*example(INFO)).shape == (2, 2)


def trained(recipe, **wishes):
    return training.start(recipe, {"smoke": True, **wishes})


@pytest.fixture
def small_text(tmp_path):
    path = tmp_path / "my.txt"
    path.write_text("the cat sat on the mat and the dog slept on the rug. " * 200)
    return str(path)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "my.csv"
    path.write_text("text,label\n" + "".join(f"the {w} sat {i},{w}\n" for i in range(20) for w in ("cat", "dog")))
    return str(path)


def test_from_blots_to_a_classifier_that_answers(small_text, table, tmp_path):
    """The whole way: pre-train, begin from it, ask; and the run opens when the one it began from is gone."""
    import shutil

    first = trained("bert", data=small_text, vocab=80, context=16, **SMALL)
    assert set(first.record["metrics"]) == {"accuracy", "loss", "unigram_accuracy", "unigram_loss"}
    run = trained("bert-classify", data=table, pretrained="bert", context=64, learning_rate=1e-4)
    assert run.info.context == 16 and run.info.more["vocabulary"] == first.info.more["vocabulary"]
    assert run.info.more["config"]["width"] == 16
    model = CLASSIFY.model(run.info, pretrained="bert")
    assert torch.equal(model.encoder.embedding.token.weight, first.model.encoder.embedding.token.weight)
    asked = tmp_path / "ask.txt"
    asked.write_text("The cat sat on the rug, " + "and sat " * 20)
    answer = run.predict(asked)
    assert answer["prediction"] in ("cat", "dog") and sum(answer["probabilities"].values()) == pytest.approx(1)
    assert answer["unread"] > 0
    shutil.rmtree(first.folder)
    assert Run(run.folder).predict(asked) == answer
    assert Run(run.folder).evaluate(table)["accuracy"] >= 0


def test_from_nothing(table):
    run = trained("bert-classify", data=table, **SMALL)
    assert "config" not in run.info.more and run.model.encoder.config.width == 16


def test_a_folder_as_transformers_writes_it(tmp_path, table):
    config = BERTConfig(depth=1, width=16, heads=2, vocab=40, context=24)
    model, folder = MaskedLM(config), tmp_path / "published"
    model.save_pretrained(folder)
    with pytest.raises(WorldError, match=r"vocab\.txt"):
        known(str(folder))
    (folder / "vocab.txt").write_text("\n".join([*SPECIAL, "the", "cat", "dog", "sat", *"0123456789"]) + "\n")
    pieces, shape = known(str(folder))
    assert pieces[5] == "the" and shape == config
    run = trained("bert-classify", data=table, pretrained=str(folder))
    assert run.info.more["kind"] == "bert" and run.model.encoder.config.width == 16
    (folder / "vocab.txt").write_text("\n".join([*SPECIAL, *(f"w{i}" for i in range(36))]))
    with pytest.raises(WorldError, match="41 pieces, and its model knows 40"):
        known(str(folder))


def test_what_one_cannot_begin_from(home):
    with pytest.raises(WorldError, match="there is no run of bert yet"):
        known("bert")
    with pytest.raises(WorldError, match="no folder or file nowhere"):
        texts(pretrained="nowhere")
    folder = home / "runs" / "gpt" / "2026-01-01-000000"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"overrides": {}}))
    assert run_of("gpt") == run_of("gpt/2026-01-01-000000") == run_of(str(folder)) == folder
    with pytest.raises(WorldError, match="has no checkpoint"):
        known("gpt")


def test_another_recipes_run_is_no_beginning():
    run = trained("self-attention")
    with pytest.raises(CallError, match="expected a run of bert"):
        known(str(run.folder))


def test_the_recipes_say_what_they_measure():
    assert RECIPE.expected.metric == CLASSIFY.expected.metric == "accuracy"
