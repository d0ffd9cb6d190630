import inspect
import math

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from learnable.errors import CallError
from learnable.models.language.modern_gpt import NANOCHAT, ModernGPT, ModernGPTConfig, relu_squared, unit
from learnable.optim.factories import muon
from learnable.sampling.cache import generate_cached
from learnable.sampling.text import generate, greedy

TOY = ModernGPTConfig(depth=2, width=32, heads=4, vocab=65, context=16)
forward = inspect.unwrap(ModernGPT.forward)  # without the checks of shapes that only tests have: users meet ours


def toy(seed=0, awake=False):
    torch.manual_seed(seed)
    model = ModernGPT(TOY)
    if awake:
        with torch.no_grad():
            for parameter in model.parameters():
                if not parameter.any():
                    parameter.normal_(std=0.05)
    return model


def texts(batch, tokens):
    return torch.randint(65, (batch, tokens), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("config, parameters", NANOCHAT.values(), ids=NANOCHAT)
def test_variant_has_the_published_size(config, parameters):
    with torch.device("meta"):
        model = ModernGPT(config)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


def test_a_new_model_knows_nothing_exactly():
    tokens = texts(8, 17)
    loss = F.cross_entropy(toy()(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
    assert loss.item() == pytest.approx(math.log(65), abs=1e-5)


def test_every_block_begins_as_the_identity():
    model, x = toy(), torch.randn(2, 5, 32)
    turns = model.turns(torch.arange(5)[None])
    for block in model.blocks:
        assert torch.equal(block(x, turns), x)


def test_what_reads_the_sum_keeps_numbers_of_size_one():
    model = ModernGPT(ModernGPTConfig(depth=1, width=256, heads=2, vocab=9, context=8))
    for name, parameter in model.blocks.named_parameters():
        if not name.endswith(("to_out.weight", "down.weight")):
            assert float(parameter.detach().std()) == pytest.approx(256**-0.5, rel=0.02), name


def test_what_begins_at_zero_does_not_stay_there():
    """After the second step everything has moved: the head first, then what writes, then what reads."""
    model, tokens = toy(), texts(8, 17)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    optimizer = muon(model, 0.02)
    for _ in range(3):
        F.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten()).backward()
        optimizer.step()
        optimizer.zero_grad()
    assert all(not torch.equal(parameter, before[name]) for name, parameter in model.named_parameters())


def test_no_token_looks_ahead():
    model, tokens = toy(awake=True), texts(1, 16)
    changed = tokens.clone()
    changed[0, 9] = (tokens[0, 9] + 1) % 65
    before, after = model(tokens)[0], model(changed)[0]
    assert torch.equal(before[:9], after[:9])
    assert (before[9:] != after[9:]).any(dim=1).all()


def test_only_distances_matter():
    """The same text further on in the context is read the same."""
    model, tokens = toy(awake=True).double(), texts(2, 7)
    assert_close(model(tokens, positions=torch.arange(7)[None] + 9), model(tokens))


def test_the_order_of_words_matters():
    model, tokens = toy(awake=True).double(), torch.tensor([[1, 2, 3, 4]])
    assert not torch.allclose(model(tokens)[0, -1], model(tokens[:, [1, 0, 2, 3]])[0, -1])


def test_scores_do_not_grow_with_the_weights():
    """QK norm: ten times the weights of queries and keys, and the same attention."""
    model, tokens = toy(awake=True).double(), texts(2, 9)
    before = model(tokens)
    with torch.no_grad():
        for block in model.blocks:
            block.attention.to_query.weight.mul_(10)
            block.attention.to_key.weight.mul_(10)
    assert_close(model(tokens), before, atol=1e-4, rtol=1e-4)  # but for the norm's eps


def test_logits_are_held():
    model = toy()
    with torch.no_grad():
        model.unembed.weight.fill_(100.0)
    assert model(texts(2, 9)).abs().max() <= 15


def test_the_parts_at_values_by_hand():
    assert_close(relu_squared(torch.tensor([-1.0, 0.0, 0.5, 3.0])), torch.tensor([0.0, 0.0, 0.25, 9.0]))
    assert_close(unit(torch.tensor([6.0, 8.0])), torch.tensor([6.0, 8.0]) / math.sqrt(50))


def test_the_slope_of_the_squared_relu_is_twice_its_input():
    x = torch.tensor([-1.0, 0.0, 0.5, 3.0], requires_grad=True)
    relu_squared(x).sum().backward()
    assert_close(x.grad, torch.tensor([0.0, 0.0, 1.0, 6.0]))


@pytest.mark.parametrize(
    "tokens, message",
    [
        (torch.zeros(1, 17, dtype=torch.long), "expected 1 to 16 tokens.*came 17.*keep the last ones"),
        (torch.zeros(1, 0, dtype=torch.long), "expected 1 to 16 tokens.*came 0"),
        (torch.tensor([[3, 65]]), "expected tokens from 0 to 64.*came 3 to 65.*vocabulary"),
        (torch.tensor([[-1, 2]]), "expected tokens from 0 to 64.*came -1 to 2"),
        (torch.zeros(1, 3), "whole numbers of shape .batch, tokens., came torch.float32"),
        (torch.zeros(3, dtype=torch.long), r"came torch.int64 of shape \(3,\).*tokens\[None\]"),
    ],
    ids=["too long", "empty", "unknown token", "negative", "floats", "one axis"],
)
def test_wrong_tokens(tokens, message):
    with pytest.raises(CallError, match=message):
        forward(toy(), tokens)


@pytest.mark.parametrize("changes", [{"heads": 3}, {"heads": 32}, {"depth": 0}, {"context": -1}])
def test_wrong_config(changes):
    settings = {"depth": 2, "width": 32, "heads": 4, "vocab": 65, "context": 16} | changes
    with pytest.raises(CallError, match="expected numbers of at least 1 and a width"):
        ModernGPTConfig(**settings)


def test_half_precision_stays_half():
    for dtype in (torch.bfloat16, torch.float16):
        model = toy(awake=True).to(dtype)
        assert model(texts(2, 5)).dtype == dtype and model(texts(2, 5)).isfinite().all()


def test_autocast_is_near():
    model, tokens = toy(awake=True), texts(2, 9)
    with torch.autocast("cpu", torch.bfloat16):
        rough = model(tokens)
    assert_close(rough.float(), model(tokens), atol=0.05, rtol=0.05)


def test_it_can_be_exported():
    """One graph for all batch sizes and lengths: no branch on the numbers, only on the shapes."""
    batch, length = torch.export.Dim("batch"), torch.export.Dim("length", min=2, max=16)
    model, tokens = toy(awake=True).eval(), texts(3, 8)
    program = torch.export.export(model, (tokens,), dynamic_shapes=({0: batch, 1: length},))
    other = tokens[:2, :5]
    assert_close(program.module()(other), model(other))


@pytest.mark.parametrize("worth", [0, 10**9], ids=["packed", "plain"])
def test_writes_the_same_with_a_cache(worth, monkeypatch):
    """Past the context too; with packed weights the head must not be taken for the embedding."""
    monkeypatch.setattr("learnable.sampling.packed.WORTH", worth)
    model, prompts = toy(awake=True), texts(2, 5)
    assert torch.equal(torch.stack(generate_cached(model, prompts, 20, greedy)), generate(model, prompts, 20, greedy))
