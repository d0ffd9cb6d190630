"""BERT and RoBERTa against transformers: same weights in, same outputs and same gradients out; and files that go both ways."""

import dataclasses

import pytest
import torch
from torch.testing import assert_close

from learnable.errors import WorldError
from learnable.models.language.bert import (
    BERT,
    BERTS,
    BERTConfig,
    MaskedLM,
    Pretraining,
    RoBERTaConfig,
    TextClassifier,
    TokenClassifier,
)
from learnable.weights.bert import HEADS, plain_names, settings_from
from learnable.weights.table import translate

pytestmark = pytest.mark.reference

TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-10}
TOY = BERTConfig(depth=2, width=24, heads=3, vocab=50, context=16)
ODD = BERTConfig(depth=1, width=20, heads=1, vocab=31, context=9, hidden=37, segments=3, padding=4, eps=1e-5)
ROBERTA = RoBERTaConfig(depth=2, width=24, heads=3, vocab=50, context=13)
ODD_ROBERTA = RoBERTaConfig(depth=1, width=20, heads=2, vocab=31, context=9, hidden=37, padding=3, eps=1e-6)

OURS = {
    "BertModel": BERT, "BertForMaskedLM": MaskedLM, "BertForPreTraining": Pretraining,
    "BertForSequenceClassification": TextClassifier, "BertForTokenClassification": TokenClassifier,
    "RobertaModel": BERT, "RobertaForMaskedLM": MaskedLM,
    "RobertaForSequenceClassification": TextClassifier, "RobertaForTokenClassification": TokenClassifier,
}  # fmt: skip
CASES = [
    (name, config) for name in OURS for config in ((TOY, ODD) if name.startswith("Bert") else (ROBERTA, ODD_ROBERTA))
]
each_class = pytest.mark.parametrize("name, config", CASES, ids=[f"{name}-{config.vocab}" for name, config in CASES])
each_at_toy_size = pytest.mark.parametrize("name", OURS)


def toy(name):
    return TOY if name.startswith("Bert") else ROBERTA


def reference(name, config, dtype=torch.float32, **changes):
    """transformers' class at this size, all its parameters random (its own biases start at 0 and would hide mistakes)."""
    transformers = pytest.importorskip("transformers")
    settings = {
        "num_hidden_layers": config.depth, "hidden_size": config.width, "num_attention_heads": config.heads,
        "vocab_size": config.vocab, "max_position_embeddings": config.positions, "intermediate_size": config.mlp_width,
        "type_vocab_size": getattr(config, "segments", 1), "pad_token_id": config.padding, "layer_norm_eps": config.eps,
        "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "num_labels": 3,
    }  # fmt: skip
    make = transformers.BertConfig if name.startswith("Bert") else transformers.RobertaConfig
    model = getattr(transformers, name)(make(**settings | changes)).to(dtype)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=dtype)
            norm = ("LayerNorm" in key or "layer_norm" in key) and key.endswith("weight")
            parameter.copy_(0.3 * noise + (1.0 if norm else 0.0))
    return model


def built(name, config):
    return OURS[name](config, 3) if "Classification" in name else OURS[name](config)


def table_of(name):
    return HEADS[OURS[name].__name__, name.startswith("Roberta")].table


def to_ours(name, state, like=None):
    table = table_of(name)
    head = "LM" in name or "PreTraining" in name
    return translate(plain_names(state, head=head), table, like=like)


def pair(name, config, dtype=torch.float32):
    theirs = reference(name, config, dtype)
    ours = built(name, config).to(dtype)
    ours.load_state_dict(to_ours(name, theirs.state_dict(), ours.state_dict()))
    return ours, theirs


def texts(config, lengths, tokens, seed=2):
    """Rows of random tokens, filled up with padding behind the given lengths, and segments."""
    generator = torch.Generator().manual_seed(seed)
    text = torch.randint(config.vocab - 1, (len(lengths), tokens), generator=generator)
    text = text + (text >= config.padding)  # every token but the padding
    real = torch.arange(tokens) < torch.tensor(lengths)[:, None]
    segments = torch.randint(getattr(config, "segments", 1), text.shape, generator=generator)
    return torch.where(real, text, config.padding), real, segments


def ask_ours(model, *inputs):
    """All that the model says, the places of padding left out later."""
    answer = model(*inputs)
    if isinstance(model, BERT):
        return [answer, model.pool(answer)]
    return list(answer) if isinstance(answer, tuple) else [answer]


def ask_theirs(model, text, segments, real):
    more = {} if segments is None else {"token_type_ids": segments}
    answer = model(text, attention_mask=real.long(), **more)
    return [tensor for tensor in answer.to_tuple() if tensor is not None]


def assert_agree(ours, theirs, name, text, real, segments, tolerance):
    mine, reference = ask_ours(ours, text, segments), ask_theirs(theirs, text, segments, real)
    assert len(mine) == len(reference)
    loss = {"ours": 0, "theirs": 0}
    generator = torch.Generator().manual_seed(3)
    for one, other in zip(mine, reference, strict=True):
        assert one.shape == other.shape
        shown = real if one.dim() == 3 else torch.ones(len(text), dtype=torch.bool)
        assert_close(one[shown], other[shown], atol=tolerance * float(other.detach()[shown].abs().max()), rtol=0)
        weight = torch.randn(one[shown].shape, generator=generator, dtype=one.dtype)
        loss = {
            "ours": loss["ours"] + (one[shown] * weight).sum(),
            "theirs": loss["theirs"] + (other[shown] * weight).sum(),
        }
    loss["ours"].backward()
    loss["theirs"].backward()
    gradients = {key: p.grad for key, p in theirs.named_parameters() if p.grad is not None}
    gradients = to_ours(name, gradients)
    assert gradients.keys() == dict(ours.named_parameters()).keys()
    for key, gradient in gradients.items():
        scale = float(gradient.abs().max())
        assert scale > 0, key
        atol = tolerance * max(scale, 1e-2)  # a key's bias has no say in a softmax: its gradient is rounding alone
        assert_close(
            ours.get_parameter(key).grad, gradient, atol=atol, rtol=0, msg=lambda text, key=key: f"{key}: {text}"
        )


@pytest.mark.parametrize(
    "dtype, lengths, tokens",
    [(torch.float32, (9, 2, 6), 9), (torch.float64, (9, 2, 6), 9), (torch.float64, (1,), 1)],
    ids=["float32", "float64", "one token"],
)
@each_class
def test_outputs_and_all_gradients_agree(name, config, lengths, tokens, dtype):
    ours, theirs = pair(name, config, dtype)
    text, real, segments = texts(config, lengths, tokens)
    segments = segments if name.startswith("Bert") else None
    # A module that is training and one that is not are the same here: both have dropout 0.
    assert_agree(ours.train(), theirs.train(), name, text, real, segments, TOLERANCE[dtype])
    for one, other in zip(ask_ours(ours.eval(), text, segments), ask_ours(ours.train(), text, segments), strict=True):
        assert torch.equal(one, other)


@each_at_toy_size
def test_a_mask_of_ones_own_agrees(name):
    """`real` where the padding is not told by its token; and no segments are those of the first sentence."""
    config = toy(name)
    ours, theirs = pair(name, config, torch.float64)
    text, _, _ = texts(config, (9, 9), 9)
    real = torch.arange(9) < torch.tensor([[9], [4]])
    for one, other in zip(ask_ours(ours, text, None, real), ask_theirs(theirs, text, None, real), strict=True):
        shown = real if one.dim() == 3 else slice(None)
        assert_close(one[shown], other[shown])


def test_roberta_counts_real_tokens_wherever_the_padding_is():
    ours, theirs = pair("RobertaModel", ROBERTA, torch.float64)
    text, real, _ = texts(ROBERTA, (3, 7), 7)
    text, real = text.flip(1), real.flip(1)  # padding on the left
    assert_close(ours(text)[real], theirs(text, attention_mask=real.long()).last_hidden_state[real])
    alone = ours(text[:1, -3:])[0]
    assert_close(ours(text)[0, -3:], alone)


@each_class
def test_reads_what_transformers_saved(tmp_path, name, config):
    theirs = reference(name, config)
    theirs.save_pretrained(tmp_path)
    ours = OURS[name].from_pretrained(tmp_path)
    assert ours.config == config
    text, real, _ = texts(config, (5, 9), 9)
    for one, other in zip(ask_ours(ours, text), ask_theirs(theirs, text, None, real), strict=True):
        shown = real if one.dim() == 3 else slice(None)
        assert_close(one[shown], other[shown], atol=1e-4, rtol=1e-5)


@each_class
def test_transformers_reads_what_we_write(tmp_path, name, config):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    ours = built(name, config)
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    ours.save_pretrained(tmp_path)
    theirs, said = getattr(transformers, name).from_pretrained(tmp_path, output_loading_info=True)
    assert not any(said[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")), said
    text, real, _ = texts(config, (9, 4), 9)
    for one, other in zip(ask_ours(ours, text), ask_theirs(theirs, text, None, real), strict=True):
        shown = real if one.dim() == 3 else slice(None)
        assert_close(one[shown], other[shown], atol=1e-5, rtol=1e-5)
    again = OURS[name].from_pretrained(tmp_path)
    assert again.config == config
    for key, tensor in ours.state_dict().items():
        assert torch.equal(again.state_dict()[key], tensor), key


@pytest.mark.parametrize("prefix", [True, False])
@pytest.mark.parametrize("decoder", [True, False])
@pytest.mark.parametrize("old", [True, False])
def test_reads_old_files(tmp_path, prefix, decoder, old):
    """As Google's first files were: gamma and beta, position numbers, the tied decoder there or not, all heads in one."""
    from safetensors.torch import save_file

    theirs = reference("BertForPreTraining", TOY)
    theirs.config.save_pretrained(tmp_path)
    state = {}
    for name, tensor in theirs.state_dict().items():
        name = name if prefix else name.removeprefix("bert.")
        if old:
            name = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        if decoder or "decoder" not in name:
            state[name] = tensor.clone()
    state[f"{'bert.' if prefix else ''}embeddings.position_ids"] = torch.arange(16)[None]
    save_file(state, tmp_path / "model.safetensors", {"format": "pt"})
    text, real, segments = texts(TOY, (9, 4), 9)
    logits, order = Pretraining.from_pretrained(tmp_path)(text, segments)
    answer = theirs(text, attention_mask=real.long(), token_type_ids=segments)
    assert_close(logits[real], answer.prediction_logits[real], atol=1e-4, rtol=1e-5)
    assert_close(order, answer.seq_relationship_logits, atol=1e-4, rtol=1e-5)
    assert_close(MaskedLM.from_pretrained(tmp_path)(text, segments)[real], logits[real], atol=1e-4, rtol=1e-5)
    features = BERT.from_pretrained(tmp_path)(text, segments)
    fine = TextClassifier.from_pretrained(tmp_path, classes=4)
    assert_close(fine.encoder(text, segments)[real], features[real])
    assert torch.equal(fine.pooler.weight, theirs.bert.pooler.dense.weight)
    assert fine.out.weight.shape == (4, 24) and not fine.out.bias.any()


def test_a_new_head_on_a_body_without_a_pooler(tmp_path):
    theirs = reference("RobertaForMaskedLM", ROBERTA)
    theirs.save_pretrained(tmp_path)
    text, _, _ = texts(ROBERTA, (9, 4), 9)
    fine = TextClassifier.from_pretrained(tmp_path, classes=5, dropout=0.1)
    assert fine(text).shape == (2, 5) and fine.config == dataclasses.replace(ROBERTA, dropout=0.1)
    assert 0 < fine.pooler.weight.std() < 0.03 and not fine.pooler.weight.is_meta
    with pytest.raises(WorldError, match="no pooler and no head for classes, which our TextClassifier needs"):
        TextClassifier.from_pretrained(tmp_path)
    with pytest.raises(
        WorldError, match="no pooler, which our BERT needs; .* RobertaModel .* read by MaskedLM, TextClassifier"
    ):
        BERT.from_pretrained(tmp_path)
    tagger = TokenClassifier.from_pretrained(tmp_path, classes=7)
    assert tagger(text).shape == (2, 9, 7)


def test_reads_shards(tmp_path):
    theirs = reference("BertForMaskedLM", TOY)
    theirs.save_pretrained(tmp_path, max_shard_size="10KB")
    assert (tmp_path / "model.safetensors.index.json").exists()
    text, real, _ = texts(TOY, (9, 4), 9)
    logits = theirs(text, attention_mask=real.long()).logits
    assert_close(MaskedLM.from_pretrained(tmp_path)(text)[real], logits[real], atol=1e-4, rtol=1e-5)


def test_names_of_classes_go_along(tmp_path):
    transformers = pytest.importorskip("transformers")
    TextClassifier(TOY, 2).save_pretrained(tmp_path, names=["negative", "positive"])
    theirs = transformers.BertForSequenceClassification.from_pretrained(tmp_path)
    assert theirs.config.id2label == {0: "negative", 1: "positive"}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_goes_there_and_back(tmp_path, dtype):
    transformers = pytest.importorskip("transformers")
    ours = MaskedLM(TOY).to(dtype)
    ours.save_pretrained(tmp_path)
    assert transformers.BertForMaskedLM.from_pretrained(tmp_path).dtype == dtype
    assert MaskedLM.from_pretrained(tmp_path).head.bias.dtype == torch.float32
    kept = MaskedLM.from_pretrained(tmp_path, dtype=None)
    for name, tensor in ours.state_dict().items():
        assert torch.equal(kept.state_dict()[name], tensor), name
    assert TextClassifier.from_pretrained(tmp_path, classes=2, dtype=None).out.weight.dtype == dtype


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_act": "relu"},
        {"hidden_act": "gelu_new"},
        {"position_embedding_type": "relative_key"},
        {"is_decoder": True},
        {"is_decoder": True, "add_cross_attention": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["BertForMaskedLM", "RobertaForMaskedLM"])
def test_a_config_that_we_would_get_wrong_is_refused(name, change):
    config = reference(name, toy(name)).config.to_dict()
    with pytest.raises(WorldError, match=next(iter(change))):
        settings_from(config | change)


def test_a_decoder_of_its_own_is_refused(tmp_path):
    theirs = reference("BertForMaskedLM", TOY, tie_word_embeddings=False)
    theirs.save_pretrained(tmp_path)
    with pytest.raises(WorldError, match="trained by itself"):
        MaskedLM.from_pretrained(tmp_path)


@pytest.mark.slow
def test_bert_base_in_full_size_goes_through_files(tmp_path):
    """The published shapes, 109 million random numbers, from their file into our model and out again."""
    transformers = pytest.importorskip("transformers")
    theirs = transformers.BertForPreTraining(transformers.BertConfig()).eval()
    theirs.save_pretrained(tmp_path / "theirs")
    ours = BERT.from_pretrained(tmp_path / "theirs")
    assert ours.config == BERTS["bert-base"][0]
    ours = Pretraining.from_pretrained(tmp_path / "theirs").eval()
    text, real, segments = texts(ours.config, (32, 11), 32)
    with torch.no_grad():
        logits, order = ours(text, segments)
        answer = theirs(text, attention_mask=real.long(), token_type_ids=segments)
    assert_close(logits[real], answer.prediction_logits[real], atol=1e-4, rtol=1e-5)
    assert_close(order, answer.seq_relationship_logits, atol=1e-4, rtol=1e-5)
    ours.save_pretrained(tmp_path / "ours")
    again = transformers.BertForPreTraining.from_pretrained(tmp_path / "ours")
    for name, tensor in theirs.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name
