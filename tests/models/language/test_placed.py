import pytest
import torch
from torch import nn
from torch.testing import assert_close

from learnable.errors import CallError
from learnable.models.language.placed import PlacedLM, rotary
from learnable.nn.positions import Alibi, RelativeBias, Sinusoids

WAYS = {
    "none": lambda: {},
    "sinusoidal": lambda: {"at_token": Sinusoids(16)},
    "learned": lambda: {"at_token": nn.Embedding(24, 16)},
    "rotary": lambda: {"at_query": rotary(8)},
    "alibi": lambda: {"at_score": Alibi(2)},
    "relative": lambda: {"at_score": RelativeBias(2, causal=True)},
}


def built(way):
    torch.manual_seed(0)
    model = PlacedLM(vocab=11, width=16, heads=2, depth=2, longest=24, **WAYS[way]())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model.double()


@pytest.mark.parametrize("way", WAYS)
def test_no_token_looks_ahead(way):
    model, tokens = built(way), torch.randint(11, (1, 12), generator=torch.Generator().manual_seed(0))
    changed = tokens.clone()
    changed[0, 7] = (tokens[0, 7] + 1) % 11
    before, after = model(tokens)[0], model(changed)[0]
    assert_close(before[:7], after[:7], atol=0, rtol=0)
    assert (before[7:] != after[7:]).any(dim=1).all()


@pytest.mark.parametrize("way", WAYS)
def test_who_knows_the_order(way):
    """With one block and no position, the last token hears a set: shuffled, it says the same."""
    model = built(way)
    model.blocks = model.blocks[:1]
    tokens = torch.tensor([[1, 2, 3, 4, 5, 6]])
    shuffled = torch.tensor([[4, 2, 5, 1, 3, 6]])
    same = torch.allclose(model(tokens)[0, -1], model(shuffled)[0, -1])
    assert same == (way == "none")


def test_a_text_that_is_too_long_is_refused():
    with pytest.raises(CallError, match="at most 24 tokens, came 25"):
        built("alibi")(torch.zeros(1, 25, dtype=torch.long))
