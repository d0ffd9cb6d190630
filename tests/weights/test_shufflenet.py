"""ShuffleNet's table: whose names it has."""

import pytest
import torch

from learnable.models.vision.shufflenet import SHUFFLENETS, ShuffleNetV2
from learnable.weights.shufflenet import PUBLISHED, TORCHVISION
from learnable.weights.table import translate
from parity.pictures import assert_torchvisions


@pytest.mark.reference
def test_the_published_weights_are_those_that_torchvision_names():
    pytest.importorskip("torchvision")
    assert_torchvisions(PUBLISHED, SHUFFLENETS)


@pytest.mark.reference
@pytest.mark.parametrize("name", SHUFFLENETS)
def test_every_variant_fits(name: str):
    torchvision = pytest.importorskip("torchvision")
    with torch.device("meta"):
        ours, theirs = ShuffleNetV2(SHUFFLENETS[name][0]), torchvision.models.get_model(name)
    translate(theirs.state_dict(), TORCHVISION.rows(ours.config), like=ours.state_dict())
