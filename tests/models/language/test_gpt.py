import inspect
import math

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from learnable.errors import CallError
from learnable.models.language.gpt import GPT, GPT2, GPTConfig, left_padded, tanh_gelu

TOY = GPTConfig(depth=2, width=32, heads=4, vocab=65, context=16)
forward = inspect.unwrap(GPT.forward)  # without the checks of shapes that only tests have: users meet ours


def toy(seed=0):
    torch.manual_seed(seed)
    return GPT(TOY)


@pytest.mark.parametrize("config, parameters", GPT2.values(), ids=GPT2)
def test_variant_has_the_published_size(config, parameters):
    with torch.device("meta"):
        model = GPT(config)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


def test_a_new_model_is_undecided():
    """Untrained, its loss is that of guessing; more means that the initial weights shout."""
    tokens = torch.randint(TOY.vocab, (8, 17), generator=torch.Generator().manual_seed(0))
    loss = F.cross_entropy(toy()(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
    assert loss < 1.1 * math.log(TOY.vocab)


def test_weights_start_as_published():
    torch.manual_seed(0)
    model = GPT(GPTConfig(depth=8, width=256, heads=4, vocab=512, context=64))
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            assert not parameter.any(), name
        elif "norm" in name:
            assert (parameter == 1).all(), name
        else:
            last = name.endswith(("to_out.weight", "down.weight"))
            expected = 0.02 / math.sqrt(16) if last else 0.02  # 8 blocks add to the sum 16 times
            assert float(parameter.detach().std()) == pytest.approx(expected, rel=0.02), name


def test_no_token_looks_ahead():
    model, tokens = toy(), torch.randint(65, (1, 16), generator=torch.Generator().manual_seed(0))
    changed = tokens.clone()
    changed[0, 9] = (tokens[0, 9] + 1) % 65
    before, after = model(tokens)[0], model(changed)[0]
    assert torch.equal(before[:9], after[:9])
    assert (before[9:] != after[9:]).any(dim=1).all()  # and every later one has noticed


def test_examples_do_not_leak_into_each_other():
    model, tokens = toy(), torch.randint(65, (3, 7), generator=torch.Generator().manual_seed(0))
    assert_close(model(tokens)[:1], model(tokens[:1]))


def test_every_parameter_learns():
    model = toy()
    F.cross_entropy(model(torch.arange(16)[None])[0], torch.arange(1, 17)).backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())


def test_the_head_is_the_embedding():
    model = toy()
    hidden = torch.zeros(1, 1, 32)
    hidden[..., 0] = 1
    assert_close(model.to_logits(hidden)[0, 0], model.token.weight @ model.norm(hidden)[0, 0])
    assert len({name for name, _ in model.named_parameters(remove_duplicate=False) if "token" in name}) == 1


def test_tanh_gelu_at_a_value_by_hand():
    """0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x³))) at x = 1; the exact curve has 0.841345 there."""
    by_hand = 0.5 * (1 + math.tanh(math.sqrt(2 / math.pi) * 1.044715))
    assert float(tanh_gelu(torch.tensor(1.0, dtype=torch.float64))) == pytest.approx(by_hand, abs=1e-12)
    assert by_hand == pytest.approx(0.841192, abs=1e-6)


def test_left_padding_is_never_looked_at():
    model, lengths = toy(), torch.tensor([5, 2])
    tokens = torch.randint(65, (2, 5), generator=torch.Generator().manual_seed(0))
    other = tokens.clone()
    other[1, :3] = 64
    padded = left_padded(lengths, 5)
    assert torch.equal(model(tokens, **padded)[1, 3:], model(other, **padded)[1, 3:])
    assert not model(tokens, **padded).isnan().any()


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


@pytest.mark.parametrize("changes", [{"heads": 3}, {"depth": 0}, {"context": -1}])
def test_wrong_config(changes):
    settings = {"depth": 2, "width": 32, "heads": 4, "vocab": 65, "context": 16} | changes
    with pytest.raises(CallError, match="expected numbers of at least 1 and a width"):
        GPTConfig(**settings)


def test_overfits_one_batch():
    model, tokens = toy(), torch.randint(65, (4, 9), generator=torch.Generator().manual_seed(0))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(60):
        loss = F.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    # The first token of each text has nothing before it but the next three differ; what can be known is known.
    assert loss < 0.05


def test_it_can_be_exported():
    """One graph for all batch sizes and lengths: no branch on the numbers, only on the shapes."""
    batch, length = torch.export.Dim("batch"), torch.export.Dim("length", min=2, max=16)
    model, tokens = toy().eval(), torch.randint(65, (3, 8), generator=torch.Generator().manual_seed(0))
    program = torch.export.export(model, (tokens,), dynamic_shapes=({0: batch, 1: length},))
    other = tokens[:2, :5]
    assert_close(program.module()(other), model(other))
