import torch
from torch import nn
from torch.testing import assert_close

from learnable.models.language.torch_transformer import TorchTransformer
from learnable.models.language.transformer import (
    POST_NORM,
    AddThenNorm,
    Norms,
    Transformer,
    TransformerConfig,
)
from learnable.sampling.translation import Remembering, Rereading, greedy
from learnable.weights import transformer as torchs
from learnable.weights.table import translate

TOY = TransformerConfig(depth=2, width=16, heads=2, hidden=24, vocab=20, context=12, dropout=0.0)
SOURCE = torch.tensor([[5, 6, 7, 2], [8, 2, 0, 0]])
TARGET = torch.tensor([[1, 9, 10], [1, 11, 2]])


def made(seed=0):
    torch.manual_seed(seed)
    return TorchTransformer(TOY)


def test_with_the_same_weights_it_is_our_transformer():
    """So what differs in a comparison is torch's body, not its embedding, its head or its masks."""
    theirs = made().eval()
    ours = Transformer(TOY, norms=Norms(AddThenNorm, nn.LayerNorm)).eval()
    ours.token.load_state_dict(theirs.token.state_dict())
    ours.load_state_dict(translate(torchs.cut(theirs.body.state_dict()), torchs.TABLE), strict=False)
    with torch.no_grad():
        assert_close(theirs(SOURCE, TARGET), ours(SOURCE, TARGET), atol=1e-5, rtol=1e-4)
        assert greedy(theirs, SOURCE, 8, Rereading)[0].tolist() == greedy(ours, SOURCE, 8, Remembering)[0].tolist()


def test_filling_changes_nothing():
    """Learning or not, with gradients or without: torch has a faster way where there are none."""
    model = made()
    filled = torch.cat([SOURCE, torch.zeros(2, 3, dtype=torch.long)], dim=1)
    for training in (True, False):
        model.train(training)
        assert_close(model(filled, TARGET), model(SOURCE, TARGET))
    with torch.inference_mode():
        assert model.encode(filled)[0].shape == (2, 7, 16)
        assert_close(model(filled, TARGET), model(SOURCE, TARGET))


def test_it_does_not_look_ahead():
    model = made().eval()
    other = TARGET.clone()
    other[:, 2] = 15
    assert_close(model(SOURCE, other)[:, :2], model(SOURCE, TARGET)[:, :2])


def test_its_size_is_ours_and_a_norm_for_each_stack():
    extra = 2 * 2 * TOY.width
    count = [sum(p.numel() for p in model.parameters()) for model in (made(), Transformer(TOY, norms=POST_NORM))]
    assert count[0] == count[1] + extra
