import inspect
import math

import pytest
import torch
from torch.testing import assert_close

from learnable.errors import CallError
from learnable.models.language.transformer import (
    POST_NORM,
    PRE_NORM,
    VASWANI,
    AddThenNorm,
    DecoderLayer,
    NormThenAdd,
    Transformer,
    TransformerConfig,
    halved,
    interleaved,
)

TOY = TransformerConfig(depth=2, width=32, heads=4, hidden=64, vocab=50, context=12, dropout=0.0)
forward = inspect.unwrap(Transformer.forward)  # without the checks of shapes that only tests have: users meet ours


def toy(seed=0, **settings):
    torch.manual_seed(seed)
    return Transformer(TOY, **settings)


def texts(source=9, target=7):
    generator = torch.Generator().manual_seed(0)
    return (
        torch.randint(3, 50, (3, source), generator=generator),
        torch.randint(3, 50, (3, target), generator=generator),
    )


def test_the_size_of_base_is_what_its_description_adds_up_to():
    """Word for word: one embedding, four matrices to an attention, two to an MLP, all with biases, and the norms."""
    for config, parameters in VASWANI.values():
        width, hidden = config.width, config.hidden
        attention, mlp, norm = 4 * (width**2 + width), 2 * width * hidden + hidden + width, 2 * width
        encoder, decoder = attention + mlp + 2 * norm, 2 * attention + mlp + 3 * norm
        assert config.vocab * width + config.depth * (encoder + decoder) == parameters


def test_positions_are_those_of_the_paper():
    table = interleaved(context=40, width=6)
    for position, i in ((0, 0), (7, 1), (39, 2)):
        angle = position / 10_000 ** (2 * i / 6)
        assert float(table[position, 2 * i]) == pytest.approx(math.sin(angle), abs=1e-6)
        assert float(table[position, 2 * i + 1]) == pytest.approx(math.cos(angle), abs=1e-6)


def test_the_other_order_has_the_same_numbers():
    one, other = interleaved(context=9, width=8), halved(context=9, width=8)
    assert torch.equal(one[:, 0::2], other[:, :4]) and torch.equal(one[:, 1::2], other[:, 4:])


def test_going_on_by_k_tokens_is_the_same_rotation_everywhere():
    table = interleaved(context=30, width=4).double()
    step = torch.linalg.lstsq(table[:10], table[3:13]).solution
    assert_close(table[15:25] @ step, table[18:28], atol=1e-5, rtol=0)


def test_embeddings_and_positions_are_of_one_size():
    torch.manual_seed(0)
    model = Transformer(TransformerConfig(depth=1, width=256, heads=4, hidden=64, vocab=2000))
    word = model.token.weight * math.sqrt(256)
    assert float(word.detach().std()) == pytest.approx(1, rel=0.02)
    assert float(model.position.pow(2).mean().sqrt()) == pytest.approx(math.sqrt(0.5), rel=0.01)


def test_one_embedding_serves_source_target_and_head():
    model = toy()
    source, target = texts()
    answer = model(source, target)
    with torch.no_grad():
        model.token.weight[49] += 1.0  # a word that nobody says here is still a word that may be expected
    source, target = source.masked_fill(source == 49, 5), target.masked_fill(target == 49, 5)
    changed = model(source, target)
    assert not torch.allclose(answer[..., 49], changed[..., 49])
    assert sum(parameter.numel() for parameter in model.parameters() if parameter.shape[0] == 50) == 50 * 32


@pytest.mark.parametrize("norms", [None, PRE_NORM], ids=["post", "pre"])
def test_padding_changes_nothing_for_the_text_itself(norms):
    model = toy(**({"norms": norms} if norms else {})).eval()
    source, target = texts()
    padded = torch.cat([source, source.new_zeros(3, 3)], dim=1)
    assert_close(model(padded, target), model(source, target))
    longer = torch.cat([target, target.new_zeros(3, 2)], dim=1)
    assert_close(model(source, longer)[:, :7], model(source, target))


def test_a_source_of_padding_alone_says_nothing_and_does_not_break():
    model = toy()
    _, target = texts()
    answers = model(torch.zeros(3, 5, dtype=torch.long), target)
    assert answers.isfinite().all()
    assert_close(answers, model(torch.zeros(3, 2, dtype=torch.long), target))


def test_the_sum_runs_untouched_with_norms_in_front():
    x = 100 * torch.randn(2, 3, 8)
    assert torch.equal(NormThenAdd(8, 0.0)(x, torch.zeros_like), x)
    assert not torch.allclose(AddThenNorm(8, 0.0)(x, torch.zeros_like), x)
    assert_close(AddThenNorm(8, 0.0)(x, torch.zeros_like), torch.nn.functional.layer_norm(x, (8,)))


@pytest.mark.parametrize("norms", [POST_NORM, PRE_NORM], ids=["post", "pre"])
def test_dropout_is_where_the_paper_has_it(norms):
    """On each step and on each of the two embeddings, and nowhere else: 2 + 2 x (2 + 3) places."""
    config = TransformerConfig(depth=2, width=32, heads=4, hidden=64, vocab=50, context=12, dropout=0.5)
    model = Transformer(config, norms=norms)
    calls = []
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            assert module.p == 0.5
            module.register_forward_hook(lambda module, inputs, output: calls.append(tuple(output.shape)))
    source, target = texts()
    assert not torch.equal(model(source, target), model(source, target)), "in training two passes differ"
    assert len(calls) == 2 * (2 + 2 * (2 + 3))
    model.eval()
    assert torch.equal(model(source, target), model(source, target))


def test_queries_of_one_text_and_keys_of_another():
    """Cross-attention by hand, of one head: softmax(q k / root) v."""
    torch.manual_seed(0)
    cross, x, memory = DecoderLayer(8, 1, 16).cross_attention, torch.randn(1, 2, 8), torch.randn(1, 5, 8)
    key, value = cross.to_key(memory), cross.to_value(memory)
    weights = (cross.to_query(x) @ key.transpose(1, 2) / math.sqrt(8)).softmax(-1)
    assert_close(cross(x, memory), cross.to_out(weights @ value))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"heads": 5}, "width that the heads divide evenly"),
        ({"width": 0}, "at least 1"),
        ({"depth": -1}, "at least 1"),
        ({"dropout": 1.0}, "dropout of 0 to under 1"),
        ({"end": 50}, "among the 50 tokens"),
        ({"width": 33, "heads": 3}, "even width"),
    ],
)
def test_a_config_that_cannot_be_is_refused(change, message):
    from dataclasses import replace

    with pytest.raises(CallError, match=message):
        replace(TOY, **change)


@pytest.mark.parametrize(
    "source, target, message",
    [
        (
            torch.zeros(1, 13, dtype=torch.long),
            torch.ones(1, 2, dtype=torch.long),
            "source of at most 12 tokens.* came 13",
        ),
        (torch.ones(1, 2, dtype=torch.long), torch.zeros(1, 13, dtype=torch.long), "target of at most 12 tokens"),
        (torch.ones(1, 0, dtype=torch.long), torch.ones(1, 2, dtype=torch.long), "source of at least 1 token"),
        (torch.ones(1, 2, dtype=torch.long), torch.ones(1, 0, dtype=torch.long), "target of at least 1 token"),
        (torch.full((1, 2), 50), torch.ones(1, 2, dtype=torch.long), "tokens from 0 to 49, came 50 to 50"),
        (torch.ones(2, dtype=torch.long), torch.ones(1, 2, dtype=torch.long), r"shape \(batch, tokens\)"),
        (torch.ones(1, 2), torch.ones(1, 2, dtype=torch.long), "whole numbers"),
    ],
)
def test_a_wrong_text_is_refused_by_what_was_expected(source, target, message):
    model = toy()
    with pytest.raises(CallError, match=message):
        encode, decode = inspect.unwrap(Transformer.encode), inspect.unwrap(Transformer.decode)
        model.encode = lambda s: encode(model, s)
        model.decode = lambda t, m, a: decode(model, t, m, a)
        model.embed = lambda *a, **k: inspect.unwrap(Transformer.embed)(model, *a, **k)
        forward(model, source, target)


def test_only_marians_form_is_written(tmp_path):
    with pytest.raises(CallError, match="norms=POST_NORM and positions=halved"):
        toy(norms=PRE_NORM, positions=halved).save_pretrained(tmp_path)
    with pytest.raises(CallError, match="positions=halved"):
        toy().save_pretrained(tmp_path)
    with pytest.raises(CallError, match="activations swish"):
        toy(positions=halved, activation=torch.tanh).save_pretrained(tmp_path)
    assert not list(tmp_path.iterdir())


def test_matrices_begin_as_large_as_torchs():
    """Xavier's bound of each, query, key and value taken as one matrix; a larger start costs BLEU."""
    model = toy()
    theirs = torch.nn.Transformer(32, 4, 2, 2, 64, batch_first=True)
    starts = {name: weight for name, weight in model.named_parameters() if weight.dim() == 2 and name != "token.weight"}
    for name, weight in starts.items():
        joined = name.rpartition(".")[0].endswith(("to_qkv", "to_query", "to_key", "to_value"))
        outputs = 96 if joined else weight.shape[0]
        bound = math.sqrt(6 / (outputs + weight.shape[1]))
        assert 0.9 * bound < weight.abs().max() <= bound, name
    own = sum(weight.square().sum() for weight in starts.values())
    others = sum(weight.square().sum() for weight in theirs.parameters() if weight.dim() == 2)
    assert_close(own, others, atol=0, rtol=0.03)
