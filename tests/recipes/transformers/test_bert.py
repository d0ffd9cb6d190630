import json

import pytest
import torch

from learnable.data.examples import Info
from learnable.data.tokenizers import formats
from learnable.data.tokenizers.learning import learn_bpe, learn_wordpiece
from learnable.data.tokenizers.wordpiece import SPECIAL
from learnable.data.words import words_of
from learnable.errors import CallError, WorldError
from learnable.models.language.bert import BERTConfig, MaskedLM, RoBERTaConfig
from learnable.recipes.transformers.bert import CLASSIFY, RECIPE, classifier, example, filler, known, run_of, texts
from learnable.runs import training
from learnable.runs.leaving import leave
from learnable.runs.run import Run

TOKENIZER = learn_wordpiece("a b c d e f g", 12)
INFO = Info("toy", classes=("a", "b"), context=16, tokenizer=formats.to_json(TOKENIZER))
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
    assert run.info.context == 16 and run.info.tokenizer == first.info.tokenizer
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
    with pytest.raises(WorldError, match=r"holds no tokenizer: expected tokenizer\.json"):
        known(str(folder))
    (folder / "vocab.txt").write_text("\n".join([*SPECIAL, "the", "cat", "dog", "sat", *"0123456789"]) + "\n")
    tokenizer, shape = known(str(folder))
    assert tokenizer.numbers["the"] == 5 and shape == config
    run = trained("bert-classify", data=table, pretrained=str(folder))
    assert run.info.more["kind"] == "bert" and run.model.encoder.config.width == 16
    (folder / "vocab.txt").write_text("\n".join([*SPECIAL, *(f"w{i}" for i in range(36))]))
    with pytest.raises(WorldError, match="41 pieces, and its model knows 40"):
        known(str(folder))
    (folder / "vocab.txt").write_text("\n".join(["the", *SPECIAL, "cat"]))
    with pytest.raises(WorldError, match="fills texts up with token 1, and its model takes 0"):
        known(str(folder))


def test_a_roberta_is_fine_tuned_by_its_own_byte_pairs(tmp_path, table):
    """As its folder has them: in two files, or in a tokenizer.json."""
    learned = learn_bpe("the cat sat, the dog sat. " * 9, 290, special=["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    config = RoBERTaConfig(depth=1, width=16, heads=2, vocab=len(learned), context=24)
    folder, said = tmp_path / "published", "The cat\u00a0sat: <mask> 東京!"
    MaskedLM(config).save_pretrained(folder)
    formats.save_byte_pairs(learned, folder)
    run = trained("bert-classify", data=table, pretrained=str(folder))
    assert run.info.more["kind"] == "roberta" and run.model.encoder.config.context == 24
    row = run.test_part(None).batch(torch.tensor([0]), {})["tokens"][0].tolist()
    assert row[0] == 0 and row[-1] == 2 and run.info.cutter.decode(row).startswith("the ")
    asked = tmp_path / "ask.txt"
    asked.write_text(said)
    assert Run(run.folder).predict(asked)["prediction"] in ("cat", "dog")
    tokens = words_of(run.info).frame(said, 24)
    formats.save(known(str(folder))[0], folder)
    (folder / "vocab.json").unlink(), (folder / "merges.txt").unlink()
    again = trained("bert-classify", data=table, pretrained=str(folder))
    assert words_of(again.info).frame(said, 24) == tokens and 4 in tokens


@pytest.mark.reference
def test_transformers_reads_what_was_learned_here_with_its_tokenizer(small_text, table, tmp_path):
    """And we read it again, as any published folder."""
    transformers = pytest.importorskip("transformers")
    run, folder = trained("bert", data=small_text, vocab=80, context=16, **SMALL), tmp_path / "out"
    leave(run, "safetensors", folder)
    theirs, text = transformers.AutoTokenizer.from_pretrained(folder), "The cat [MASK] on the rug."
    tokens = theirs(text)["input_ids"]
    assert tokens == words_of(run.info).frame(text, 16) and theirs.mask_token_id in tokens
    model = transformers.AutoModelForMaskedLM.from_pretrained(folder).eval()
    with torch.inference_mode():
        logits = model(torch.tensor([tokens])).logits
        assert torch.allclose(run.model.eval()(torch.tensor([tokens])), logits, atol=1e-5)
    assert trained("bert-classify", data=table, pretrained=str(folder)).info.tokenizer == run.info.tokenizer


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
