"""EfficientNet beyond parity and contract: scaling, stochastic depth, taps, and what is refused."""

import pytest
import torch

from learnable.errors import CallError
from learnable.metrics.cost import cost
from learnable.models.vision.efficientnet import EFFICIENTNETS, EfficientNet, EfficientNetConfig
from learnable.nn.activations import Features, activations
from learnable.nn.stochastic_depth import StochasticDepth


@pytest.mark.parametrize(
    "name, billions", [("efficientnet_b0", 0.39), ("efficientnet_b1", 0.70), ("efficientnet_b4", 4.2)]
)
def test_multiply_adds_of_the_paper(name: str, billions: float):
    """Table 2; the published multipliers are rounded, and the sizes are the paper's."""
    config = EFFICIENTNETS[name][0]
    with torch.device("meta"):
        counted = cost(EfficientNet(config), torch.empty(1, 3, config.size, config.size)).multiply_adds
    assert counted / 1e9 == pytest.approx(billions, rel=0.06)


def test_blocks_are_dropped_more_often_the_deeper_they_are():
    with torch.device("meta"):
        model = EfficientNet(EFFICIENTNETS["efficientnet_b0"][0])
    rates = [module.drop_probability for module in model.modules() if isinstance(module, StochasticDepth)]
    assert (
        rates == sorted(rates) and rates[0] == pytest.approx(0.2 * 2 / 16) and rates[-1] == pytest.approx(0.2 * 14 / 16)
    )


def test_dropout_is_right_before_the_head():
    with torch.device("meta"):
        seen = activations(EfficientNet(EFFICIENTNETS["efficientnet_b0"][0]).eval(), torch.empty(1, 3, 32, 32))
    assert list(seen)[-2:] == ["dropout", "head"]


def test_maps_at_five_scales():
    with torch.device("meta"):
        maps = Features(EfficientNet(EFFICIENTNETS["efficientnet_b0"][0]).eval())(torch.empty(1, 3, 64, 64))
    assert [tuple(m.shape[1:]) for m in maps] == [(16, 32, 32), (24, 16, 16), (40, 8, 8), (112, 4, 4), (320, 2, 2)]


@pytest.mark.parametrize(
    "settings", [{"width": 0.0}, {"depth": -1.0}, {"drop": 1.0}, {"size": 0}, {"stages": ()}], ids=str
)
def test_what_makes_no_sense_is_refused(settings):
    with pytest.raises(CallError):
        EfficientNetConfig(**settings)
