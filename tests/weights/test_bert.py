import pytest
import torch
from safetensors.torch import load_file, save_file

from learnable.errors import WorldError
from learnable.models.language.bert import BERT, BERTConfig, MaskedLM, Pretraining, TextClassifier, TokenClassifier
from learnable.weights.bert import HEADS, config_json, file_names, hub_name, plain_names, settings_from

BASE = {
    "model_type": "bert", "num_hidden_layers": 12, "hidden_size": 768, "num_attention_heads": 12, "vocab_size": 30522,
    "max_position_embeddings": 512, "intermediate_size": 3072, "type_vocab_size": 2, "hidden_act": "gelu",
    "layer_norm_eps": 1e-12, "hidden_dropout_prob": 0.1, "pad_token_id": 0,
}  # fmt: skip
ROBERTA = BASE | {
    "model_type": "roberta", "vocab_size": 50265, "max_position_embeddings": 514, "type_vocab_size": 1, "pad_token_id": 1,
}  # fmt: skip


def test_the_published_config():
    settings = settings_from(BASE)
    assert settings == {"depth": 12, "width": 768, "heads": 12, "vocab": 30522, "context": 512, "hidden": None,
                        "padding": 0, "segments": 2, "eps": 1e-12, "dropout": 0.1}  # fmt: skip


def test_robertas_positions_begin_behind_the_padding():
    settings = settings_from(ROBERTA)
    assert settings["context"] == 512 and settings["padding"] == 1 and "segments" not in settings


def test_an_old_config_lacks_what_was_not_asked_yet():
    old = {
        key: BASE[key] for key in BASE if key not in ("model_type", "layer_norm_eps", "pad_token_id", "type_vocab_size")
    }
    assert settings_from(old) == settings_from(BASE)


@pytest.mark.parametrize(
    "change, said",
    [
        ({"model_type": "electra"}, "expected model_type 'bert' or 'roberta'"),
        ({"hidden_size": None}, "hidden_size"),
        ({"hidden_size": 700}, "cannot be divided"),
        ({"num_hidden_layers": True}, "num_hidden_layers"),
        ({"hidden_act": "relu"}, "hidden_act = 'relu'"),
        ({"position_embedding_type": "relative_key_query"}, "position_embedding_type"),
        ({"is_decoder": True}, "is_decoder"),
        ({"add_cross_attention": True}, "add_cross_attention"),
        ({"embedding_size": 128}, "embedding_size"),
        ({"pruned_heads": {"0": [1]}}, "pruned_heads"),
        ({"pad_token_id": 99999}, "pad_token_id 99999 is outside"),
        ({"pad_token_id": -1}, "pad_token_id"),
        ({"pad_token_id": None}, "no token is padding"),
        ({"layer_norm_eps": 0}, "layer_norm_eps above 0"),
        ({"layer_norm_eps": "small"}, "expected a number for layer_norm_eps"),
        ({"hidden_dropout_prob": 1.0}, "hidden_dropout_prob"),
        ({"hidden_dropout_prob": None}, "expected a number for hidden_dropout_prob"),
    ],
)
def test_what_a_config_may_not_ask_for(change, said):
    with pytest.raises(WorldError, match=said):
        settings_from(BASE | change)


def test_what_a_roberta_may_not_ask_for():
    with pytest.raises(WorldError, match="type_vocab_size = 2"):
        settings_from(ROBERTA | {"type_vocab_size": 2})
    with pytest.raises(WorldError, match="leaves no place"):
        settings_from(ROBERTA | {"max_position_embeddings": 2})


@pytest.mark.parametrize("config", [BASE, ROBERTA], ids=["bert", "roberta"])
def test_a_config_comes_back_as_it_went(config):
    settings = settings_from(config)
    head = HEADS["MaskedLM", config is ROBERTA]
    written = config_json(head, settings | {"hidden": 3072}, torch.float32)
    assert settings_from(written) == settings
    assert written["architectures"] == [head.architecture]


def test_what_begins_and_ends_a_text_is_known_of_the_published_vocabulary_alone():
    for vocab, marks in ((50265, (0, 2)), (99, (None, None))):
        written = config_json(HEADS["BERT", True], settings_from(ROBERTA | {"vocab_size": vocab}), torch.float32)
        assert (written["bos_token_id"], written["eos_token_id"]) == marks


def test_labels_are_written_both_ways():
    written = config_json(HEADS["TextClassifier", False], settings_from(BASE), torch.float32, ["bad", "good"])
    assert written["id2label"] == {"0": "bad", "1": "good"} and written["label2id"] == {"bad": 0, "good": 1}


def test_names_become_plain():
    state = {"bert.embeddings.LayerNorm.gamma": torch.ones(2), "roberta.pooler.dense.bias": torch.ones(1)}
    assert list(plain_names(state)) == ["embeddings.LayerNorm.weight", "pooler.dense.bias"]
    with pytest.raises(WorldError, match="there twice"):
        plain_names({"bert.pooler.dense.bias": torch.ones(1), "pooler.dense.bias": torch.ones(1)})


def test_a_decoder_alone_is_the_embedding():
    weight = torch.rand(5, 2)
    plain = plain_names(
        {"cls.predictions.decoder.weight": weight, "cls.predictions.decoder.bias": weight[0]}, head=True
    )
    assert plain["embeddings.word_embeddings.weight"] is weight and "cls.predictions.bias" in plain
    state = {"cls.predictions.decoder.weight": weight, "bert.embeddings.word_embeddings.weight": weight + 1}
    assert list(plain_names(state)) == ["embeddings.word_embeddings.weight"]  # without the head it does not matter
    with pytest.raises(WorldError, match="trained by itself"):
        plain_names(state, head=True)


def test_left_over_heads_are_left_and_strangers_are_not():
    plain = {name: torch.zeros(1) for name in ("embeddings.LayerNorm.bias", "qa_outputs.weight", "strange")}
    assert list(file_names(plain, {})) == ["embeddings.LayerNorm.bias", "strange"]


def test_well_known_names_may_come_without_their_owner(tmp_path, monkeypatch):
    assert hub_name("roberta-base") == "FacebookAI/roberta-base"
    assert hub_name("somebody/else") == "somebody/else"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "roberta-base").mkdir()
    assert hub_name("roberta-base") == "roberta-base"  # a folder goes before


def test_every_table_has_one_row_for_each_name():
    for head in HEADS.values():
        ours = [row.ours for row in head.table if row.ours]
        theirs = [name for row in head.table for name in row.names]
        assert len(set(ours)) == len(ours) and len(set(theirs)) == len(theirs)


TOY = BERTConfig(depth=1, width=8, heads=2, vocab=11, context=8)


@pytest.mark.parametrize("cls, saved, message", [
    (BERT, BERT, "no pooler, which our BERT needs; transformers' BertModel saves it, unless it was built with "
                 "add_pooling_layer=False. These weights can be read by TextClassifier and TokenClassifier, .* classes=..."),
    (BERT, MaskedLM, "no pooler, which our BERT needs; .* can be read by MaskedLM, TextClassifier and TokenClassifier"),
    (MaskedLM, BERT, "no language head, which our MaskedLM needs; transformers' BertForMaskedLM saves it. These"),
    (Pretraining, MaskedLM, "no pooler and no head for the second sentence, which our Pretraining needs"),
    (TokenClassifier, BERT, "no head for classes, which our TokenClassifier needs"),
])  # fmt: skip
def test_a_part_that_is_missing_is_named_and_who_does_without_it(tmp_path, cls, saved, message):
    saved(TOY).save_pretrained(tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    save_file({name: tensor for name, tensor in state.items() if "pooler" not in name}, tmp_path / "model.safetensors")
    with pytest.raises(WorldError, match=message):
        cls.from_pretrained(tmp_path)
    for reader in (TextClassifier, TokenClassifier):
        assert reader.from_pretrained(tmp_path, classes=3)(torch.tensor([[1, 2]])).shape[-1] == 3


@pytest.mark.parametrize("gone", ["pooler.dense.bias", "embeddings.LayerNorm.bias"])
def test_a_torn_file_is_not_taken_for_one_without_a_part(tmp_path, gone):
    BERT(TOY).save_pretrained(tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    del state[gone]
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(WorldError, match=f"missing: {gone}"):
        BERT.from_pretrained(tmp_path)
