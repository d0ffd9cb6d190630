"""AlexNet's tables: whose names they are, and which published files there are."""

import pytest
import torch

from learnable.models.vision.alexnet import ALEXNETS, AlexNet
from learnable.weights.alexnet import PUBLISHED, TORCHVISION
from learnable.weights.table import translate
from parity.pictures import assert_torchvisions

pytestmark = pytest.mark.reference


def test_the_published_weights_are_those_that_torchvision_names():
    pytest.importorskip("torchvision")
    assert_torchvisions(PUBLISHED, ALEXNETS)


@pytest.mark.parametrize("name", ALEXNETS)
def test_every_variant_fits(name: str):
    torchvision = pytest.importorskip("torchvision")
    with torch.device("meta"):
        ours = AlexNet(ALEXNETS[name][0])
        for form, theirs in ((TORCHVISION, torchvision.models.get_model(name)),):
            translate(theirs.state_dict(), form.rows(ours.config), like=ours.state_dict())
