from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from learnable.errors import CallError
from learnable.models.language.bert import (
    BERT,
    BERTConfig,
    Encoder,
    MaskedLM,
    PostNormBlock,
    Pretraining,
    RoBERTaConfig,
    TextClassifier,
    TokenClassifier,
)
from learnable.nn.tokens import check_tokens

TOY = BERTConfig(depth=2, width=16, heads=2, vocab=30, context=8)
ROBERTA = RoBERTaConfig(depth=2, width=16, heads=2, vocab=30, context=8)


def test_post_norm_is_what_it_says():
    """By hand: each sum is normed after it was made."""
    torch.manual_seed(0)
    block, x = PostNormBlock(width=8, heads=2, hidden=12), torch.randn(2, 3, 8)
    first = nn.functional.layer_norm(x + block.attention(x), (8,), eps=1e-12)
    assert_close(block(x), nn.functional.layer_norm(first + block.mlp(first), (8,), eps=1e-12))


def test_padding_is_not_there():
    """Behind a text may stand as much padding as you like, and nothing changes."""
    for config in (TOY, ROBERTA):
        torch.manual_seed(0)
        model = TextClassifier(config, 3)
        text = torch.tensor([[5, 6, 7]])
        padded = torch.cat([text, torch.full((1, 4), config.padding)], dim=1)
        assert_close(model(padded), model(text))
        assert not torch.allclose(model(padded.where(padded != config.padding, 9)), model(text), atol=1e-5)


def test_both_sides_are_read():
    torch.manual_seed(0)
    model = Encoder(TOY)
    text = torch.tensor([[5, 6, 7, 8]])
    last, first = text.clone(), text.clone()
    last[0, 3], first[0, 0] = 9, 9
    assert not torch.allclose(model(text)[0, 0], model(last)[0, 0])
    assert not torch.allclose(model(text)[0, 3], model(first)[0, 3])


def test_the_context_is_long_enough_for_robertas_positions():
    for config in (TOY, ROBERTA):
        assert Encoder(config)(torch.full((1, 8), 5)).shape == (1, 8, 16)
        with pytest.raises(CallError, match="1 to 8 tokens"):
            Encoder(config)(torch.full((1, 9), 5))


def test_chosen_places_are_those_of_the_whole():
    torch.manual_seed(0)
    text = torch.tensor([[5, 6, 7, 0], [8, 9, 10, 11]])
    chosen = torch.tensor([[False, True, False, False], [True, False, False, True]])
    model = MaskedLM(TOY)
    assert_close(model(text, chosen=chosen), model(text)[chosen])
    both = Pretraining(TOY)
    assert_close(both(text, chosen=chosen)[0], both(text)[0][chosen])


def test_the_decoder_is_the_embedding():
    model = MaskedLM(TOY)
    assert (
        sum(p.numel() for p in model.parameters())
        == sum(p.numel() for p in Encoder(TOY).parameters()) + 16 * 17 + 32 + 30
    )
    model(torch.tensor([[5]])).sum().backward()
    assert model.encoder.embedding.token.weight.grad[29].any()  # as an answer, not as a question


def test_dropout_is_off_unless_asked_for_and_in_use():
    text = torch.tensor([[5, 6, 7]])
    for make in (BERT, MaskedLM, lambda config: TextClassifier(config, 2), lambda config: TokenClassifier(config, 2)):
        torch.manual_seed(0)
        still = make(TOY).train()
        assert torch.equal(still(text), still(text))
        moving = make(BERTConfig(depth=2, width=16, heads=2, vocab=30, context=8, dropout=0.5)).train()
        assert not torch.equal(moving(text), moving(text))
        assert torch.equal(moving.eval()(text), moving.eval()(text))


def test_dropout_is_on_the_embedding_on_each_step_and_before_a_head_of_classes():
    for make, places in (
        (BERT, 5),
        (lambda config: TextClassifier(config, 2), 6),
        (lambda config: TokenClassifier(config, 2), 6),
    ):
        model, calls = make(TOY), []
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.register_forward_hook(lambda *_, calls=calls: calls.append(1))
        model(torch.tensor([[5, 6, 7]]))
        assert len(calls) == places


def test_all_norms_have_the_eps_of_the_config_and_padding_begins_as_nothing():
    for config in (TOY, ROBERTA):
        model = MaskedLM(replace(config, eps=0.25))
        assert {norm.eps for norm in model.modules() if isinstance(norm, nn.LayerNorm)} == {0.25}
        assert not model.encoder.embedding.token.weight[config.padding].any()


@pytest.mark.parametrize(
    "wrong, said",
    [
        (torch.tensor([5, 6]), "came torch.int64 of shape"),
        (torch.zeros(1, 2), "expected tokens as whole numbers"),
        (torch.zeros(1, 0, dtype=torch.long), "came 0"),
        (torch.tensor([[5, 30]]), "tokens from 0 to 29"),
        (torch.tensor([[-1]]), "tokens from 0 to 29"),
    ],
)
def test_wrong_tokens(wrong, said):
    with pytest.raises(Exception, match=said) as caught:
        check_tokens(wrong, TOY.context) if wrong.dim() != 2 or wrong.dtype != torch.int64 else Encoder(TOY)(wrong)
    assert isinstance(caught.value, CallError)


def test_wrong_segments():
    text = torch.tensor([[5, 6]])
    with pytest.raises(CallError, match="segments below 2"):
        Encoder(TOY)(text, torch.tensor([[0, 2]]))
    with pytest.raises(CallError, match="RoBERTa knows no segments"):
        Encoder(ROBERTA)(text, torch.tensor([[0, 0]]))


@pytest.mark.parametrize(
    "change", [{"heads": 3}, {"depth": 0}, {"padding": 30}, {"padding": -1}, {"dropout": 1.0}, {"hidden": 0}], ids=str
)
def test_wrong_configs(change):
    settings = {"depth": 2, "width": 16, "heads": 2, "vocab": 30, "context": 8}
    for make in (BERTConfig, RoBERTaConfig):
        with pytest.raises(CallError):
            make(**settings | change)


def test_names_of_classes_are_counted(tmp_path):
    with pytest.raises(CallError, match="expected 3 names"):
        TextClassifier(TOY, 3).save_pretrained(tmp_path, names=["a", "b"])
    assert not list(tmp_path.iterdir())


def test_from_pretrained_reads_what_save_pretrained_wrote(tmp_path):
    torch.manual_seed(0)
    model = TextClassifier(ROBERTA, 3)
    model.save_pretrained(tmp_path)
    again = TextClassifier.from_pretrained(tmp_path)
    assert again.config == ROBERTA
    assert torch.equal(again(torch.tensor([[5, 6, 7]])), model(torch.tensor([[5, 6, 7]])))
    with pytest.raises(CallError, match="load it as a MaskedLM"):
        Pretraining.from_pretrained(tmp_path)
